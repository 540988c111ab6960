"""The page, and the only place that knows gradio."""
