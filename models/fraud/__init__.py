"""Fraud: a rules layer, a gradient boosting layer, and how layers become allow, review or decline."""
