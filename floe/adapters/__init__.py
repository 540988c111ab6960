"""What was learnt: kept, exported, routed to, active."""
