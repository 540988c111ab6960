"""The app's routes that the page needs, and those that are closed: most of gradio's.

A test lists the routes of the installed gradio, and fails where one is in neither list.
"""

from typing import Final

from floe.request_checks import MEGABYTE
from floe.ui.serving.access import OpenRoute

_HANDLER_BODY: Final = 64 * MEGABYTE
"""A file of chats that is brought in comes as text in one event: some ten thousand chats."""
_TURN_BODY: Final = 16 * MEGABYTE
"""A prompt, pasted: more than any model reads."""
_QUESTION_BODY: Final = MEGABYTE
"""Words to search for, or numbers of messages and tokens."""
_SIGNAL_BODY: Final = 64 * 1024

OPEN_ROUTES: Final = (
    OpenRoute("GET", r"/", key=False),
    OpenRoute("GET", r"/assets/[A-Za-z0-9_.-]+", key=False, lasting=True),
    OpenRoute("GET", r"/static/js/iframeResizer\.contentWindow\.min\.js", key=False, lasting=True),
    OpenRoute("GET", r"/theme\.css", key=False),
    OpenRoute("GET", r"/favicon\.ico", key=False),
    # The browser sends no key for a download: the last part cannot be guessed, and is good once.
    OpenRoute("GET", r"/export/[A-Za-z0-9_-]{22}", key=False),
    OpenRoute("GET", r"/gradio_api/app_id"),
    OpenRoute("GET", r"/gradio_api/heartbeat/[a-z0-9]{1,32}"),
    OpenRoute("GET", r"/gradio_api/queue/data"),
    OpenRoute("POST", r"/gradio_api/queue/join", _TURN_BODY),
    OpenRoute("POST", r"/gradio_api/run/predict", _HANDLER_BODY),
    OpenRoute("POST", r"/gradio_api/component_server/?", _QUESTION_BODY),
    OpenRoute("POST", r"/gradio_api/cancel", _SIGNAL_BODY),
    OpenRoute("POST", r"/gradio_api/reset", _SIGNAL_BODY),
)

CLOSED_ROUTES: Final = frozenset(
    (
        # lead out: the server fetches or passes on an address that somebody names
        "/gradio_api/file={path_or_url:path}",
        "/gradio_api/file/{path:path}",
        "/gradio_api/proxy={url_path:path}",
        # let in files, or hand out those of the device; the page does neither
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/process_recording",
        "/gradio_api/stream/{event_id}",
        "/gradio_api/stream/{event_id}/close",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
        "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
        "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
        "/svelte/{path:path}",
        # other ways to the same handlers
        "/gradio_api/api/{api_name}",
        "/gradio_api/api/{api_name}/",
        "/gradio_api/run/{api_name}/",
        "/gradio_api/call/{api_name}",
        "/gradio_api/call/{api_name}/",
        "/gradio_api/call/{api_name}/{event_id}",
        "/gradio_api/call/v2/{api_name}",
        "/gradio_api/call/v2/{api_name}/",
        "/gradio_api/call/v2/{api_name}/{event_id}",
        "/gradio_api/reset/",
        "/gradio_api/queue/status",
        "/gradio_api/startup-events",
        # describe the app or what it holds
        "/config",
        "/config/",
        "/gradio_api/info",
        "/gradio_api/info/",
        "/gradio_api/openapi.json",
        "/gradio_api/app_id/",
        "/gradio_api/deep_link",
        "/gradio_api/runs",
        "/gradio_api/runs/",
        "/gradio_api/theme.css",
        "/monitoring",
        "/monitoring/summary",
        "/monitoring/{key}",
        # are for accounts, installed apps, crawlers and developers
        "/gradio_api/user",
        "/gradio_api/user/",
        "/gradio_api/login_check",
        "/gradio_api/login_check/",
        "/gradio_api/token",
        "/gradio_api/token/",
        "/login",
        "/login/",
        "/logout",
        "/manifest.json",
        "/pwa_icon",
        "/pwa_icon/{size}",
        "/robots.txt",
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-edit",
        "/gradio_api/vibe-edit/",
        "/gradio_api/undo-vibe-edit",
        "/gradio_api/undo-vibe-edit/",
        "/gradio_api/vibe-code",
        "/gradio_api/vibe-code/",
        "/gradio_api/vibe-starter-queries",
        "/gradio_api/vibe-starter-queries/",
    )
)
"""Paths as gradio declares them. Only the test reads this list: closed is whatever is not open."""
