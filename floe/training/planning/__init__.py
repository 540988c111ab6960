"""The best plan for this device, and why."""
