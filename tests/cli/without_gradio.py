"""Run the command where importing gradio is an error: only the page may need it."""

WITHOUT_GRADIO = """
import sys
sys.modules["gradio"] = None
from floe.cli import main
sys.exit(main(sys.argv[1:]))
"""
