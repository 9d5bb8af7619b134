"""A sparse mixture-of-experts layer: routing, dispatch, the experts' products and their gradients, load-balancing losses."""
