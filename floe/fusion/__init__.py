"""Token-by-token fusion of two models; works on arrays, bytes and two small protocols."""
