"""What runs by itself: reaper (Lambda), agent (host), relay (gateway). Shipped by path; deploy never imports it."""
