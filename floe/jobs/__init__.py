"""Work that goes on beside the page, each with one owner: `floe.application`."""
