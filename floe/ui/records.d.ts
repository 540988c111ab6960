// Made by `make records` from floe/ui/page_components.py; do not edit.

/** No events, or no functions of the server. */
type Nothing = Record<never, never>;

/** What a part is given: where it draws, its value, and its ways to Python. */
interface Part<Value, Events, Server> {
  element: HTMLElement;
  props: { value: Value | null };
  trigger<Name extends keyof Events>(
    name: Name,
    ...data: Events[Name] extends null ? [] : [Events[Name]]
  ): void;
  server: Server;
  watch(name: "value", call: () => void): void;
}

/** Another view was opened. */
interface ViewAsked {
  view: string;
}

/** A conversation is to be shown, perhaps the place of a message in it. */
interface PlaceAsked {
  id: number;
  message?: number | null;
}

/** A conversation is to be renamed. */
interface TitleAsked {
  id: number;
  title: string;
}

/** Something is to be done with several conversations. */
interface ItemsAsked {
  ids: number[];
}

/** Conversations are to stand first in the list, or in that of the archive, or not. */
interface MarkAsked {
  ids: number[];
  mark: "pinned" | "archived";
  on: boolean;
}

/** Conversations are to be put into a folder; empty: into none. */
interface MoveAsked {
  ids: number[];
  folder: string;
}

/** The best of the chats that were found; `more`: there are others. */
interface SearchValue {
  hits: SearchHitValue[];
  more: boolean;
}

/** A chat where searched words occur: in these messages, the best first, or the title alone. */
interface SearchHitValue {
  id: number;
  messages: number[];
  title: string;
  snippet: string;
}

/** The newest conversations, and the one in view; `more`: so many older ones are not in it. */
interface ConversationListValue {
  open: number | null;
  rows: ConversationValue[];
  more: number;
  version: number;
}

/** A line of the conversation list; `when` is the heading that it stands under. */
interface ConversationValue {
  id: number;
  title: string;
  when: string;
  running: boolean;
  pinned: boolean;
  archived: boolean;
  folder: string;
}

/** Something is to be done with a conversation, a message or an adapter. */
interface ItemAsked {
  id: number;
}

/** The last deletion, which can be taken back; `number` 0: there is none. */
interface UndoValue {
  number: number;
  sentence: string;
}

/** State of the cloud, and which is chosen. */
interface CloudValue {
  sentence: string;
  usable: boolean;
  kind: "off" | "stand-in" | "cloud";
}

/** A figure with its name; `hint` is shown where one points at it, and may be empty. */
interface FigureValue {
  name: string;
  value: string;
  hint: string;
}

/** Something is to be on or off. */
interface SwitchAsked {
  on: boolean;
}

/** An answer to what chats may be used for; None: as in general. */
interface ConsentAsked {
  use: "train" | "federate";
  allowed: boolean | null;
}

/** The chat in view is to be handed over. */
interface ChatFileAsked {
  kind: "markdown" | "json";
}

/** The line above the chat; None in `train` and `federate`: as in general. */
interface AboutValue {
  conversation: number | null;
  title: string;
  local_only: boolean;
  train: boolean | null;
  federate: boolean | null;
  general: ConsentValue;
}

/** Uses that are allowed for chats in general; None: not answered yet. */
interface ConsentValue {
  train: boolean | null;
  federate: boolean | null;
}

/** A message is to be worded anew. */
interface TextAsked {
  id: number;
  text: string;
}

/** An answer is to go on from another token than the one that was picked. */
interface AlternativeAsked {
  id: number;
  token: number;
  alternative: number;
}

/** An answer is liked, disliked or neither. */
interface RatingAsked {
  id: number;
  rating: -1 | 0 | 1;
}

/** A passage that was read for an answer; `at` in seconds since 1970. */
interface MemoryUseValue {
  id: number;
  kind: "chat" | "note" | "file" | "example";
  source: string;
  text: string;
  at: number;
}

/** Rows of an answer's tokens that the browser lacked; `live`: more will come. */
interface TokenPage {
  rows: [string, number, string, "local" | "fused" | "cloud" | "late" | "offline", number, number | null, number | null, number | null, number, [string, number | null, number | null, number | null][]][];
  live: boolean;
}

/** Rows of a branch that the browser asked for. */
interface ThreadWindow {
  rows: ThreadRow[];
}

/** One message as `floe.thread` draws it; `blocks` are HTML, all else is text. */
interface ThreadRow {
  id: number;
  role: string;
  blocks: string[];
  attachments: AttachmentValue[];
  siblings: number[];
  live: boolean;
  unfinished: boolean;
  notices: string[];
  rating: number;
  rewritten: boolean;
  chip: ChipValue | null;
  memory: number;
  route: string;
  reason: string;
  summary: string;
}

/** A file in a message: characters `start` to `end`; `note`: its size, and where it is read. */
interface AttachmentValue {
  name: string;
  start: number;
  end: number;
  note: string;
}

/** Decision about a question; `spans`: start, end and kind of what decided it. */
interface ChipValue {
  kept: boolean;
  reason: string;
  spans: [number, number, string][];
  unsure: boolean;
}

/** Rows `first` and following of the `total` on the way to message `leaf`. */
interface ThreadRows {
  conversation: number | null;
  leaf: number | null;
  generation: number;
  first: number;
  total: number;
  rows: ThreadRow[];
  focus: number | null;
  flash: boolean;
  calm: boolean;
  model: string;
}

/** The row of an answer that is being written, and its figures, for that `generation`. */
interface Frame {
  generation: number;
  row: ThreadRow;
  figures: FigureValue[];
  context: ContextValue;
}

/** How much of what the model reads at once the chat takes; `used` None: nobody has counted. */
interface ContextValue {
  used: number | null;
  size: number;
  cut: boolean;
  sentence: string;
}

/** All answers to a question; `waiting` are headings of those that have not been begun. */
interface ComparisonValue {
  question: number;
  blocks: string[];
  answers: ComparedAnswer[];
  waiting: string[];
  running: boolean;
  problem: string;
}

/** A column: an answer, its heading and its figures; `empty`: there is nothing to go on with. */
interface ComparedAnswer {
  title: string;
  row: ThreadRow;
  figures: FigureValue[];
  empty: boolean;
}

/** A message has been begun in a chat (None: a new one); the page counts them in `number`. */
interface DraftAsked {
  chat: number | null;
  text: string;
  number: number;
  save?: boolean;
}

/** The number of the last draft that the store has, or that is none any more. */
interface SavedDraftValue {
  number: number;
}

/** A question is to be answered side by side: by who answers, weight or adapter. */
interface ComparedAsked {
  by: "mode" | "weight" | "adapter";
  weights: number[];
  text: string;
  typed: boolean;
}

/** A file is to go with the next message of a chat; None: of the one in view. */
interface AttachAsked {
  name: string;
  data: string;
  chat?: number | null;
  number?: number;
}

/** The files that go with the next message; `problem`: why the last one does not. */
interface WaitingFilesValue {
  serial: number;
  read: number;
  files: WaitingFileValue[];
  problem: string;
}

/** A file that waits to be sent. */
interface WaitingFileValue {
  id: number;
  name: string;
  note: string;
}

/** Whether the weight is set automatically, and why it stands where it does. */
interface AutoWeightValue {
  on: boolean;
  reason: string;
}

/** A setting of sampling is to be another; None: as one level above has it. */
interface SamplingAsked {
  scope?: "all" | "chat";
  name: "temperature" | "max_tokens" | "top_p" | "top_k" | "min_p" | "repeat_penalty" | "dry_multiplier" | "seed" | "stop";
  value: number | string[] | null;
}

/** Settings of all chats, or of the one in view, are meant. */
interface ScopeAsked {
  scope?: "all" | "chat";
}

/** The models are to be told this before a chat (None: a new one); empty: as in general. */
interface SystemPromptAsked {
  chat: number | null;
  text: string;
}

/** A text is to be kept under a name. */
interface PresetAsked {
  name: string;
  text: string;
}

/** Something is to be done with a preset. */
interface PresetNameAsked {
  name: string;
}

/** What holds in all chats and in the one in view; `reason`: why what nobody chose is so. */
interface AdvancedValue {
  general: SamplingValue;
  chat: SamplingValue;
  system: string;
  general_system: string;
  presets: PresetValue[];
  reason: string;
}

/** Settings of sampling that hold now; `chosen`: names of those that the person set. */
interface SamplingValue {
  temperature: number;
  max_tokens: number;
  top_p: number;
  top_k: number;
  min_p: number;
  repeat_penalty: number;
  dry_multiplier: number;
  seed: number | null;
  stop: string[];
  chosen: string[];
}

/** A text under a name; `own`: the person has written it. */
interface PresetValue {
  name: string;
  text: string;
  own: boolean;
}

/** Facts on a known endpoint; `link` is the page where a key is got, or empty. */
interface HintValue {
  note: string;
  link: string;
}

/** A test of an endpoint: its steps while it runs, then what it found. */
interface EndpointTestValue {
  title: string;
  running: boolean;
  lines: string[];
  findings: ["good" | "limited" | "impossible", string][];
}

/** The cloud that answers now, and what its test found. */
interface CloudInUseValue {
  sentence: string;
  usable: boolean;
  tested: string;
  findings: ["good" | "limited" | "impossible", string][];
  lasts: string;
}

/** The model in use, or the one that is being loaded. */
interface ModelChipValue {
  name: string;
  loading: boolean;
}

/** A model, by catalog id, path, address or words of a search. */
interface ModelAsked {
  name: string;
}

/** All of the models view; `options` are [name, value, reason]. */
interface ModelsValue {
  in_use: string;
  note: string;
  switching: string;
  options: string[][];
  build: string;
  stand_in: string;
  rows: ModelRowValue[];
  download: ModelDownloadValue | null;
  hub: HubValue;
}

/** A model of the list, or a file of a hub; `name` is what it is asked for by. */
interface ModelRowValue {
  name: string;
  title: string;
  role: string;
  facts: string;
  fit: "fits" | "tight" | "does not fit" | "unknown";
  memory: string;
  speed: string;
  personal: boolean;
  personal_reason: string;
  personal_missing: string;
  here: boolean;
  in_use: boolean;
  fetching: boolean;
  can_fetch: boolean;
  can_drop: boolean;
  kept_reason: string;
}

/** The download that goes on or is paused; `share` from 0 to 1. */
interface ModelDownloadValue {
  name: string;
  state: "running" | "checking" | "stopping" | "paused" | "failed";
  sentence: string;
  share: number;
}

/** The newest question to the hub and its answer: repositories, or the files of one. */
interface HubValue {
  query: string;
  sentence: string;
  running: boolean;
  repositories: HubRepositoryValue[];
  repo: string;
  repo_facts: string;
  files: ModelRowValue[];
  left_out: string[];
}

/** A repository that a search found. */
interface HubRepositoryValue {
  repo: string;
  facts: string;
}

/** A choice of the privacy view. */
interface PrivacyAsked {
  name: "policy" | "own_words" | "about_me" | "personal_context" | "treatment" | "forget";
  value: string;
}

/** The choices of the privacy view and the state of the detector. */
interface PrivacyRulesValue {
  policy: "local only" | "pseudonyms";
  own_words: string;
  about_me: string;
  personal_context: string;
  detector: string;
  treatments: Record<string, "keep" | "pseudonym" | "allow">;
  lessons: number;
  confirmations: number;
}

/** The notes are to be these. */
interface NotesAsked {
  text: string;
}

/** Another folder of files is to be read; empty: none. */
interface FolderAsked {
  folder: string;
}

/** Earlier words of the person: whether they are used, and what there is of them. */
interface MemoryValue {
  on: boolean;
  notes: string;
  folder: string;
  sentence: string;
  problems: string[];
}

/** Words to look for. */
interface QueryAsked {
  query: string;
}

/** Some of the requests that were `found`; `size` is that of all of them, in bytes. */
interface SentPage {
  found: number;
  size: number;
  rows: SentRequestValue[];
}

/** A request that was sent: `at` in seconds since 1970, `size` in bytes. */
interface SentRequestValue {
  id: number;
  at: number;
  endpoint: string;
  model: string;
  purpose: "answer" | "weight" | "probe" | "models";
  size: number;
  words: string;
}

/** The log of what was sent has changed: how many entries and bytes are left. */
interface SentClearedValue {
  cleared: [number, number];
}

/** A backup is to take the place of the data. */
interface BackupAsked {
  name: string;
}

/** Everything is to be encrypted at rest. */
interface EncryptionAsked {
  kind: "keyring" | "passphrase";
  passphrase?: string;
  again?: string;
}

/** Where the data are, backups and encryption; `closing`: the app will restart. */
interface OwnDataValue {
  folder: string;
  backups: BackupValue[];
  problem: string;
  encryption: "keyring" | "passphrase" | "off";
  missing: string;
  protects: string;
  lost: string;
  question: string;
  sentence: string;
  closing: boolean;
}

/** A backup; `at` in seconds since 1970, `size` in bytes. */
interface BackupValue {
  name: string;
  at: number;
  kind: string;
  size: number;
}

/** The endpoint for other programs; an empty `address`: it is off. */
interface ApiValue {
  address: string;
}

/** The newest answers in figures; `requests` as [endpoint, model, requests, bytes]. */
interface PastFiguresValue {
  answers: number;
  plots: PlotValue[];
  requests: [string, string, number, number][];
}

/** A figure of past answers: its name, its unit, a curve for each way of answering. */
interface PlotValue {
  name: string;
  unit: string;
  series: SeriesValue[];
}

/** A curve: points (x, y), x growing; `dots`: each point is marked; `side`: whose it is. */
interface SeriesValue {
  name: string;
  points: number[][];
  dots: boolean;
  side?: "local" | "both" | "cloud";
}

/** Versions: of Floe, Python, llama.cpp in a sentence; packages as [name, version, licence]. */
interface LicencesValue {
  version: string;
  python: string;
  build: string;
  packages: [string, string, string][];
}

/** Whether the first steps are shown, and how the cloud is doing. */
interface FirstRunValue {
  show: boolean;
  cloud: string;
}

/** One of several is to be on or off. */
interface ItemSwitchAsked {
  id: number;
  on: boolean;
}

/** An answer is to be left out of what is learnt, or taken in. */
interface RowAsked {
  message: number;
  out: boolean;
}

/** A file that the person picked; `data` are its bytes in base64. */
interface FileAsked {
  name: string;
  data: string;
}

/** An import is to be taken out; `own`: with what the person wrote in its chats since. */
interface ImportAsked {
  id: number;
  own?: boolean;
}

/** The chats of a made-up person. */
interface ExampleAsked {
  name: string;
}

/** An answer that may be learnt from; `by_hand`: the person left it out. */
interface LearningAnswerValue {
  message: number;
  question: string;
  answer: string;
  left_out: string;
  by_hand: boolean;
  split: "train" | "held_out";
  weight: number;
  rewritten: boolean;
}

/** Chats that are learnt from; `examples`: invented people who can be tried out. */
interface LearningValue {
  consent: boolean | null;
  sentence: string;
  with_private: boolean;
  private: string;
  without: number[];
  chats: LearningChatValue[];
  imports: ImportValue[];
  examples: ExampleValue[];
}

/** A conversation that may be learnt from. */
interface LearningChatValue {
  id: number;
  title: string;
  chosen: boolean;
  facts: string;
}

/** A file that brought chats; `can_swap`: who asks in it and who answers was a guess. */
interface ImportValue {
  id: number;
  title: string;
  sentence: string;
  can_swap: boolean;
}

/** An invented person; `added`: the import of their chats; `used`: more was written in them. */
interface ExampleValue {
  file: string;
  name: string;
  title: string;
  manner: string;
  added: number | null;
  used: boolean;
}

/** A limit of a plan is to be another. */
interface LimitAsked {
  name: "memory_mb" | "deadline_s" | "afresh";
  value: number | boolean | null;
}

interface PlanValue {
  memory_mb: number | null;
  deadline_s: number | null;
  afresh: boolean;
  can_go_on: boolean;
  from: string;
  words: string;
  reason: string;
  ready: boolean;
  asks: boolean;
}

/** The model with and without what it learnt is to answer a question. */
interface QuestionAsked {
  question: string;
}

/** A training run; `progress` in [0, 1], None: not known. */
interface RunValue {
  status: "waiting" | "running" | "cancelled" | "interrupted" | "failed" | "complete";
  running: boolean;
  can_resume: boolean;
  stopping: boolean;
  verdict: string;
  good: boolean;
  sentence: string;
  measured: string;
  progress: number | null;
  left: string;
  figures: FigureValue[];
  series: SeriesValue[];
  trial: [string, string, string][];
  samples: SampleValue[];
  can_ask: boolean;
  asked: SampleValue | null;
}

/** A question, the person's own answer, and the model's without and with the new adapter. */
interface SampleValue {
  question: string;
  own: string;
  before: string;
  after: string;
  note: string;
}

/** Before the first training run. */
interface NoRunValue {
  status: "";
}

/** Whether the cloud is asked about answers kept aside, and what came of it. */
interface OwnWeightValue {
  on: boolean;
  running: boolean;
  can_fit: boolean;
  reason: string;
}

/** An adapter that others made is to be brought in from a place on this device. */
interface AdapterPathAsked {
  place: string;
}

/** An adapter is to be renamed. */
interface NameAsked {
  id: number;
  name: string;
}

/** An adapter is to act more or less. */
interface ScaleAsked {
  id: number;
  scale: number;
}

/** An adapter is to be handed over, by itself or within its model ("merged"). */
interface KindAsked {
  id: number;
  kind: "peft" | "gguf" | "merged";
}

/** All adapters. */
interface AdapterListValue {
  rows: AdapterValue[];
}

/** An adapter; `fits`: it was made for this base model. */
interface AdapterValue {
  id: number;
  name: string;
  in_use: boolean;
  fits: boolean;
  scale: number;
  largest_scale: number;
  facts: string;
}

/** A group is to be joined. */
interface GroupAsked {
  address: string;
  certificate: string;
  level: "nothing" | "roughly" | "exactly";
}

/** The group of this device; `certificate`: one was chosen before. */
interface GroupValue {
  consent: boolean | null;
  running: boolean;
  sentence: string;
  address: string;
  certificate: boolean;
  public_key: string;
  limits: string;
}

/** The rounds of a group or a simulation; without a sentence there are none. */
interface RoundsValue {
  title: string;
  running: boolean;
  sentence: string;
  figures: FigureValue[];
  promise: string;
  series: SeriesValue[];
  positions: PositionValue[];
  columns: string[];
  rounds: string[][];
}

/** Position of a device on the map of a round; `group` is the number of its cluster. */
interface PositionValue {
  x: number;
  y: number;
  name: string;
  cluster: string;
  group: number;
}

/** Whether a group is being simulated. */
interface SimulationValue {
  running: boolean;
}

/** All experts. */
interface ExpertListValue {
  rows: ExpertValue[];
}

/** An adapter that came from a group; `samples` are prompts that are led to it. */
interface ExpertValue {
  id: number;
  name: string;
  in_use: boolean;
  facts: string;
  samples: string[];
}

/** What each part is given, by the name of the function that draws it. */
interface DrawnParts {
  views: Part<
    null,
    {
      go: ViewAsked;
    },
    Nothing
  >;
  save: Part<
    string,
    Nothing,
    Nothing
  >;
  noticed: Part<
    number,
    {
      follow: null;
    },
    Nothing
  >;
  notice: Part<
    string,
    Nothing,
    Nothing
  >;
  conversations: Part<
    ConversationListValue,
    {
      new: null;
      open: PlaceAsked;
      rename: TitleAsked;
      delete: ItemsAsked;
      mark: MarkAsked;
      move: MoveAsked;
    },
    {
      search(asked: string): Promise<SearchValue | undefined>;
      chats(asked: number): Promise<ConversationListValue | undefined>;
    }
  >;
  undo: Part<
    UndoValue,
    {
      undo: ItemAsked;
    },
    Nothing
  >;
  cloud: Part<
    CloudValue,
    Nothing,
    Nothing
  >;
  figures: Part<
    FigureValue[],
    Nothing,
    Nothing
  >;
  about: Part<
    AboutValue,
    {
      keep: SwitchAsked;
      allow: ConsentAsked;
      export: ChatFileAsked;
    },
    Nothing
  >;
  thread: Part<
    ThreadRows,
    {
      edit: TextAsked;
      regenerate: ItemAsked;
      resume: ItemAsked;
      take: AlternativeAsked;
      branch: ItemAsked;
      release: ItemAsked;
      confirm: ItemAsked;
      rate: RatingAsked;
      rewrite: TextAsked;
      forget: ItemAsked;
      remove: ItemAsked;
      compare: ItemAsked;
    },
    {
      memory(asked: number): Promise<MemoryUseValue[] | undefined>;
      tokens(asked: [number, number, number]): Promise<TokenPage | undefined>;
      text(asked: number): Promise<string | undefined>;
      window(asked: [number, number, number, number]): Promise<ThreadWindow | undefined>;
    }
  >;
  live: Part<
    Frame,
    Nothing,
    Nothing
  >;
  comparison: Part<
    ComparisonValue,
    {
      choose: ItemAsked;
      close: null;
    },
    Nothing
  >;
  drafts: Part<
    SavedDraftValue,
    {
      keep: DraftAsked;
    },
    Nothing
  >;
  compare: Part<
    null,
    {
      ask: ComparedAsked;
    },
    Nothing
  >;
  attach: Part<
    WaitingFilesValue,
    {
      read: AttachAsked;
      drop: ItemAsked;
    },
    Nothing
  >;
  context: Part<
    ContextValue,
    Nothing,
    Nothing
  >;
  auto: Part<
    AutoWeightValue,
    {
      set: SwitchAsked;
    },
    Nothing
  >;
  advanced: Part<
    AdvancedValue,
    {
      set: SamplingAsked;
      reset: ScopeAsked;
      tell: SystemPromptAsked;
      save: PresetAsked;
      drop: PresetNameAsked;
    },
    Nothing
  >;
  panelHead: Part<
    null,
    Nothing,
    Nothing
  >;
  hint: Part<
    HintValue,
    Nothing,
    Nothing
  >;
  where: Part<
    string,
    Nothing,
    Nothing
  >;
  trial: Part<
    EndpointTestValue,
    Nothing,
    Nothing
  >;
  inUse: Part<
    CloudInUseValue,
    Nothing,
    Nothing
  >;
  modelChip: Part<
    ModelChipValue,
    Nothing,
    Nothing
  >;
  models: Part<
    ModelsValue,
    {
      use: ModelAsked;
      fetch: ModelAsked;
      pause: null;
      resume: null;
      cancel: null;
      drop: ModelAsked;
      search: ModelAsked;
    },
    Nothing
  >;
  privacyRules: Part<
    PrivacyRulesValue,
    {
      set: PrivacyAsked;
    },
    Nothing
  >;
  memory: Part<
    MemoryValue,
    {
      switch: SwitchAsked;
      notes: NotesAsked;
      folder: FolderAsked;
      read: null;
    },
    Nothing
  >;
  consent: Part<
    ConsentValue,
    {
      allow: ConsentAsked;
    },
    Nothing
  >;
  sentLog: Part<
    SentClearedValue,
    {
      clear: null;
      export: QueryAsked;
    },
    {
      sent(asked: [string, number]): Promise<SentPage | undefined>;
      body(asked: number): Promise<string | undefined>;
    }
  >;
  ownData: Part<
    OwnDataValue,
    {
      backup: null;
      restore: BackupAsked;
      drop: null;
      encrypt: EncryptionAsked;
      decrypt: null;
      erase: null;
    },
    Nothing
  >;
  appearance: Part<
    null,
    {
      again: null;
    },
    Nothing
  >;
  api: Part<
    ApiValue,
    {
      switch: SwitchAsked;
      renew: null;
    },
    {
      key(asked: string): Promise<string | undefined>;
    }
  >;
  pastFigures: Part<
    PastFiguresValue,
    Nothing,
    Nothing
  >;
  licences: Part<
    LicencesValue,
    Nothing,
    Nothing
  >;
  firstRun: Part<
    FirstRunValue,
    {
      done: null;
    },
    Nothing
  >;
  learning: Part<
    LearningValue,
    {
      allow: ConsentAsked;
      choose: ItemSwitchAsked;
      leave: RowAsked;
      privately: SwitchAsked;
      bring: FileAsked;
      undo: ImportAsked;
      swap: ItemAsked;
      example: ExampleAsked;
      export: null;
    },
    {
      rows(asked: number): Promise<LearningAnswerValue[] | undefined>;
    }
  >;
  plan: Part<
    PlanValue,
    {
      limit: LimitAsked;
      begin: null;
      allow: ConsentAsked;
    },
    Nothing
  >;
  run: Part<
    RunValue | NoRunValue,
    {
      cancel: null;
      resume: null;
      compare: QuestionAsked;
    },
    Nothing
  >;
  ownWeight: Part<
    OwnWeightValue,
    {
      set: SwitchAsked;
      fit: null;
    },
    Nothing
  >;
  adapters: Part<
    AdapterListValue,
    {
      bring: AdapterPathAsked;
      rename: NameAsked;
      switch: ItemSwitchAsked;
      strengthen: ScaleAsked;
      export: KindAsked;
      delete: ItemAsked;
    },
    Nothing
  >;
  group: Part<
    GroupValue,
    {
      allow: ConsentAsked;
      join: GroupAsked;
      leave: null;
    },
    Nothing
  >;
  rounds: Part<
    RoundsValue,
    Nothing,
    Nothing
  >;
  simulation: Part<
    SimulationValue,
    {
      start: null;
      stop: null;
    },
    Nothing
  >;
  experts: Part<
    ExpertListValue,
    {
      switch: ItemSwitchAsked;
    },
    Nothing
  >;
}
