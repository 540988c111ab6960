"""What is asked of the cloud and what its chunks say."""
