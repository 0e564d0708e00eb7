"""Recommendations: implicit matrix factorization (ALS) on what shoppers viewed, put into the cart and bought."""
