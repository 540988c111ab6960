"""The panel of the cloud."""
