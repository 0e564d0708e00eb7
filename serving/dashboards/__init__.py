"""The merchandisers' web application: figures from gold, price proposals to decide on. A process of its own."""
