"""Learning from the person on this device: data, plan, training, adapters, router."""
