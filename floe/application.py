"""Everything that runs while Floe is open, with one owner and one order of starting and ending.

The page, the command line and the API all use the same object; none of them opens a store, loads
a model or starts a thread of its own. Knows neither gradio nor torch.
"""

import logging
import os
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from floe.adapters.registry import model_sha256
from floe.chat.assistant import Assistant
from floe.chat.preferences import Preferences
from floe.child_environment import drop_secrets
from floe.cloud.credentials.keys import VARIABLES
from floe.cloud.link import CloudLink
from floe.config import STAND_IN, Settings
from floe.errors import FloeError, ModelError
from floe.federation.group.membership import Membership, Simulation
from floe.jobs.api_switch import ApiSwitch
from floe.jobs.chat_import import ChatImportJob
from floe.jobs.comparison_job import ComparisonJob
from floe.jobs.endpoint_test import EndpointTest
from floe.jobs.hub_search import HubSearchJob
from floe.jobs.join_job import JoinJob
from floe.jobs.memory_job import MemoryJob
from floe.jobs.model_download import ModelDownloadJob
from floe.jobs.model_switch import ModelSwitchJob
from floe.jobs.plan_job import PlanJob
from floe.jobs.privacy_scan import PrivacyScan
from floe.jobs.weight_fit import WeightFitJob
from floe.llama.free_memory import free_memory
from floe.llama.load_options import LlamaOptions
from floe.llama.runtime import LlamaModel
from floe.llama.threads import choose_threads
from floe.llama.trial_load import try_loading
from floe.models.catalog import fetch_missing, load_catalog, resolve_model
from floe.models.chosen import ModelChoice, chosen_model, chosen_stand_in, keep_chosen_model
from floe.privacy.choices import own_words
from floe.privacy.detector import Detector
from floe.store import Store
from floe.store.backup import BackupSchedule
from floe.store.imports import drop_unfinished_imports
from floe.training.runs import TrainingRuns

logger = logging.getLogger(__name__)

_PROMPT_CACHE_BYTES: Final = 256 * 10**6
"""For the chats that one comes back to; 2,600 tokens of the default model take 60 MB."""


class Application:
    """The program behind the page, the command line and the API; close it when done.

    Attributes:
        settings: how this run is set up.
        store: all that is kept.
        assistant: answers; it knows the model, the cloud, the gate and the adapters.
        runs: training.
        membership: the group this device is in.
        join_job: joining it.
        simulation: a group that is tried out on this device.
        chat_import: a file of chats that is being read.
        privacy_scan: the search for private text in imported chats.
        endpoint_test: the test of a cloud.
        memory_job: the reading of what is new for memory.
        plan_job: the plan of the next training.
        weight_fit: the fit of the automatic weight.
        api_switch: whether other programs are answered while the page is open.
        comparison: answers that are being written side by side.
        model_download: a model that is being fetched.
        model_switch: the change to another model.
        hub_search: a question to a model hub.
        model_note: why this start uses another model than the one chosen in the page, or empty.
        stand_in: the model of the stand-in cloud, and why it is this one.
        backups: the daily backup, once it is started.
    """

    def __init__(
        self,
        settings: Settings,
        assistant: Assistant,
        *,
        model_note: str = "",
        stand_in: ModelChoice | None = None,
    ) -> None:
        """Take over an assistant that is ready; see `open` for how one is made."""
        self.settings = settings
        self.model_note = model_note
        self.stand_in = stand_in or ModelChoice(settings.stand_in_model)
        self._replacing = threading.Lock()
        self.assistant = assistant
        self.store = assistant.store
        self.privacy_scan = PrivacyScan(assistant.store, assistant.gate)
        self.chat_import = ChatImportJob(assistant.store)
        self.endpoint_test = EndpointTest(assistant.cloud)
        self.memory_job = MemoryJob(assistant.memory)
        self.plan_job = PlanJob(assistant.store, assistant.model.path)
        self.weight_fit = WeightFitJob(assistant, settings)
        self.comparison = ComparisonJob(assistant)
        self.api_switch = ApiSwitch(assistant.store)
        self.runs = TrainingRuns(
            assistant.store,
            assistant.adapters,
            settings.data_dir,
            replan=self.plan_job.make_smaller,
            answer=assistant.answer,
            adopted=self.weight_fit.start,
            examiner=assistant.detector,
        )
        self.backups = BackupSchedule(settings.data_dir, lambda: assistant.busy)
        self.membership = Membership(assistant.store, settings.data_dir)
        self.join_job = JoinJob(assistant.store, self.membership, assistant.model.path)
        self.simulation = Simulation(assistant.store, settings.data_dir)
        self.model_download = ModelDownloadJob(assistant.store, settings.models_dir)
        self.model_switch = ModelSwitchJob(self.use_model)
        self.hub_search = HubSearchJob()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Load what the settings name; fetches models that are missing, with a bar on stderr.

        The data folder is locked and unlocked by the caller: nobody else may write there.

        Raises:
            FloeError: something that a person can mend stands in the way.
        """
        with ExitStack() as opened:
            store = Store(settings.database)
            opened.callback(store.close)
            store.recover()
            drop_unfinished_imports(store)
            stand_in = chosen_stand_in(settings, free_memory())
            settings = settings.model_copy(update={"stand_in_model": stand_in.name})
            cloud = CloudLink(
                settings,
                store,
                daily_limit=lambda: Preferences.load(store).daily_requests or None,
            )
            opened.callback(cloud.close)
            # The keys have been read, so that what a library starts from here on inherits none.
            drop_secrets(os.environ, VARIABLES)
            shared = cloud.choice.base_url == STAND_IN
            choice = chosen_model(settings, store)
            wanted = [choice.name, *([settings.stand_in_model] if shared else [])]
            fetch_missing(wanted, settings.models_dir)
            # Starts loading its model in a process of its own while this one loads and imports.
            cloud.connect()
            detector = Detector(own_words(store))
            detector.load_in_background()
            note = choice.reason
            try:
                chosen = settings.model_copy(update={"model": choice.name})
                model = _load_model(chosen, shared=shared)
            except FloeError as error:
                if choice.name == settings.model:
                    raise
                # The one chosen in the page: a start without it is better than none.
                note = f"{choice.name}, which you chose, cannot be used: {error}"
                logger.warning("%s", note)
                chosen = settings
                fetch_missing([settings.model], settings.models_dir)
                model = _load_model(settings, shared=shared)
            opened.callback(model.close)
            assistant = Assistant(chosen, store, model, cloud, detector)
            opened.pop_all()
        with ExitStack() as opened:
            opened.callback(assistant.close)
            application = cls(chosen, assistant, model_note=note, stand_in=stand_in)
            application.memory_job.start()
            opened.pop_all()
        return application

    def use_model(self, name: str) -> None:
        """Answer with another model from the next question on, now and after the next start.

        It is checked and loaded beside the one in use, which goes on answering until then and
        stays in use if anything is wrong. May take minutes.

        Args:
            name: an id of the catalog, or the path of a GGUF.

        Raises:
            ModelError: it is missing, broken, too large or being loaded already; or a training
                is running that uses the model in use.
        """
        if not self._replacing.acquire(blocking=False):
            raise ModelError("Another model is still being loaded. Wait until it is in use.")
        try:
            self._check_idle()
            if load_catalog().find(name) is None and Path(name).suffix == ".gguf":
                name = str(Path(name).expanduser().absolute())
            settings = self.settings.model_copy(update={"model": name})
            if resolve_model(name, settings.models_dir) != self.assistant.model.path:
                shared = self.assistant.cloud.choice.base_url == STAND_IN
                model = _load_model(settings, shared=shared)
                try:
                    # Measured now, not while the first answer is waited for.
                    _ = model.bit_exact_batch_size, model.batch_invariant_min_size
                    model_sha256(self.store, model.path)
                    self._check_idle()
                    self.assistant.use_model(model, settings)
                except BaseException:
                    model.close()
                    raise
                self.plan_job.use_base(model.path)
                self.join_job.use_base(model.path)
            self.settings, self.model_note = settings, ""
            keep_chosen_model(self.store, name)
        finally:
            self._replacing.release()

    def check_model_stays(self) -> None:
        """Refuse long work on a model that is about to be replaced.

        Raises:
            ModelError: another one is being loaded.
        """
        if self.model_switch.running:
            raise ModelError("Another model is being loaded. Wait until it is in use.")

    def why_kept(self, path: Path) -> str:
        """Return the reason why a model's file may not be deleted; empty: it may."""
        path = path.resolve()
        if path == self.assistant.model.path.resolve():
            return "It is in use."
        if self.assistant.cloud.choice.base_url == STAND_IN and path == self._stand_in_path():
            return "The stand-in cloud uses it."
        run = self.runs.latest()
        if run is not None and run.active and path == run.base_path.resolve():
            return "A training that is running uses it."
        group = self.membership.current()
        if group is not None and group.status == "running":
            return "This device is in a group, whose work may depend on it. Leave the group first."
        return ""

    def delete_model(self, path: Path) -> None:
        """Delete the file of a model in the models folder for good.

        Raises:
            ModelError: it is in use, lies elsewhere, or cannot be deleted.
        """
        self.check_model_stays()  # it may be this very file
        folder = self.settings.models_dir.resolve()
        if path.absolute().parent.resolve() != folder or path.suffix != ".gguf":
            raise ModelError(
                f"{path.name} is not in the models folder {folder}, so Floe leaves it "
                "alone. Delete it as you delete any file."
            )
        reason = self.why_kept(path)
        if reason:
            raise ModelError(f"{path.name} is kept. {reason}")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(
                f"{path.name} cannot be deleted ({error.strerror}). Check its rights."
            ) from error

    def _stand_in_path(self) -> Path | None:
        entry = load_catalog().find(self.stand_in.name)
        if entry is not None:
            return (self.settings.models_dir / entry.filename).resolve()
        return Path(self.stand_in.name).expanduser().resolve()

    @property
    def training(self) -> bool:
        """Whether a training goes on, which slows all else on this device."""
        run = self.runs.latest()
        return run is not None and run.active

    def _check_idle(self) -> None:
        """Refuse to change the model under work that depends on it.

        Raises:
            ModelError: such work goes on.
        """
        if self.training:
            raise ModelError(
                "A training that is running uses this model. Wait until it has ended, or "
                "stop it under Personalise, then choose the model again."
            )
        if self.weight_fit.running:
            raise ModelError(
                "The automatic weight is being fitted with the model in use. Wait a minute, then "
                "choose the model again."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End answers, then the jobs, then what they stand on.

        A training goes on and is found again; a group is joined again at the next start.
        """
        with ExitStack() as ending:
            ending.callback(self.assistant.close)
            ending.callback(self.backups.close)
            ending.callback(self.memory_job.close)
            ending.callback(self.plan_job.close)
            ending.callback(self.weight_fit.close)
            ending.callback(self.runs.close)
            ending.callback(self.endpoint_test.close)
            ending.callback(self.privacy_scan.close)
            ending.callback(self.chat_import.close)
            ending.callback(self.simulation.stop)
            ending.callback(self.membership.close)
            ending.callback(self.join_job.close)
            ending.callback(self.hub_search.close)
            ending.callback(self.model_download.close)
            ending.callback(self.model_switch.close)
            ending.callback(self.comparison.close)
            ending.callback(self.api_switch.close)
            # The rest may wait for an answer, so answers end first.
            ending.callback(self.assistant.stop)


def _load_model(settings: Settings, *, shared: bool) -> LlamaModel:
    """Load the model that the settings name, after a trial in another process if need be.

    Args:
        settings: model, threads and the options of llama.cpp.
        shared: the stand-in cloud runs on this device too.
    """
    threads, reason = choose_threads(settings.threads, shared=shared)
    logger.info("%d threads for the local model: %s", threads, reason)
    path = resolve_model(settings.model, settings.models_dir)
    if load_catalog().find(settings.model) is None:
        try_loading(path, settings.data_dir)
    options = LlamaOptions(
        context=settings.context,
        gpu_layers=settings.gpu_layers,
        flash_attention=settings.flash_attention,
        cache_type=settings.cache_type,
    )
    return LlamaModel(
        path,
        threads=threads,
        threads_reason=reason,
        options=options,
        prompt_cache_bytes=_PROMPT_CACHE_BYTES,
    )
