// What the page's scripts share: the members of `floe`, each defined in the script named above it.

type Child = Node | string;
type Attributes<Tag extends keyof HTMLElementTagNameMap> = Partial<HTMLElementTagNameMap[Tag]> & {
  [name: `aria-${string}`]: string;
};
type Draw<Name extends keyof DrawnParts> = (part: DrawnParts[Name]) => void;
/** What a part needs to follow its value. */
type Watched<Value> = Pick<Part<Value, Nothing, Nothing>, "element" | "props" | "watch">;

type TokenValue = TokenPage["rows"][number];
type AlternativeValue = TokenValue[9];
type TokenSource = TokenValue[3];
type SamplingNumber = Exclude<SamplingAsked["name"], "stop">;
type Finding = CloudInUseValue["findings"][number];

/** A control that holds what was just chosen for a moment; `fresh`: it stands for something else. */
interface Steady<Value> {
  set(value: Value, fresh?: boolean): void;
}
type Toggle = HTMLButtonElement & Steady<boolean>;
type Choice = HTMLFieldSetElement & Steady<string>;
type Select = HTMLElement & { set(value: string | number | null): void };
type Sheet = HTMLElement & { head: HTMLElement };
/** A field whose text comes from the server too. */
type TypedField = HTMLTextAreaElement & { put(text: string): void };
type Updated<Value> = HTMLElement & { update(value: Value): void };

/** Text of a message, and the blocks it was drawn from. */
type MessageText = HTMLElement & {
  drawnBlocks?: { html: string; nodes: ChildNode[] }[];
  prose?: ProseTokens;
};

/** A stretch of drawn text that comes from one token. */
interface TokenPiece {
  node: Text;
  start: number;
  end: number;
  token: number;
}

/** A block of a message with its tokens; `to`: where the tokens' text goes on after it. */
interface ColouredBlock {
  nodes: ChildNode[];
  pieces: TokenPiece[];
  to: number;
  /** All of it is coloured, and will stay as it is. */
  whole: boolean;
  shown: [string, StaticRange][];
}

/** The tokens in the text of a message; `at` is the one that the keyboard is at. */
interface ProseTokens {
  rows: TokenValue[];
  /** What the tokens spell, without spaces, and the token of each unit of it. */
  spelled: string;
  owners: number[];
  counted: number;
  blocks: ColouredBlock[];
  at: number;
  on: boolean;
  take?: TakeToken;
}

/** Go on from an alternative, by its number, of a token. */
type TakeToken = (token: number, alternative: number) => void;

interface FollowedEnd {
  /** Show the end once more if it is followed. */
  keep(): void;
  /** Follow the end no more. */
  stay(): void;
  toEnd(): void;
  readonly atEnd: boolean;
}

interface Surroundings {
  showsTokens(row: ThreadRow, last: boolean): boolean;
  edits(id: number): boolean;
  keepEditing(holds: (id: number) => boolean): void;
  key(row: ThreadRow, last: boolean): string;
  build(row: ThreadRow, last: boolean, conversation: number | null): HTMLElement;
}

/** The parts of the page, each by the function that draws it. */
type DrawnByName = { [Name in keyof DrawnParts]: Draw<Name> };

interface Floe extends DrawnByName {
  // shell.js
  el<Tag extends keyof HTMLElementTagNameMap>(
    tag: Tag,
    attributes?: Attributes<Tag>,
    ...children: Child[]
  ): HTMLElementTagNameMap[Tag];
  /** The first element that matches, if any. */
  find(selector: string, within?: ParentNode): HTMLElement | null;
  /** The element that an event meant, or the next one around it, that matches. */
  closest(event: Event, selector: string): HTMLElement | null;
  isLoadingClock(callback: FrameRequestCallback): boolean;
  button(
    icon: string,
    name: string,
    onclick: (event: MouseEvent) => unknown,
    className?: string,
  ): HTMLButtonElement;
  icon(name: string): SVGSVGElement;
  icons: Record<string, string>;
  remember(key: string, value: string | null): void;
  recall(key: string): string | null;
  systemDark: MediaQueryList;
  applyTheme(): void;
  switchTheme(): void;
  chooseTheme(theme: string): void;
  startTheme(): void;
  narrow: MediaQueryList;
  fitWidth(): void;
  setDrawer(open: boolean): void;
  toggleDrawer(): void;

  // forms.js
  steady<Value>(show: (value: Value) => void): Steady<Value> & { hold(): void };
  toggle(label: string, onchange: (on: boolean) => void, className?: string): Toggle;
  choices: number;
  choice<Value extends string>(
    legend: string,
    options: [Value, string][],
    onchange: (value: Value) => void,
  ): Choice;
  press(
    text: string,
    onclick?: ((event: MouseEvent) => unknown) | null,
    kind?: string,
    icon?: string,
  ): HTMLButtonElement;
  ask(button: HTMLButtonElement, question: string, yes: string, act: () => void): HTMLElement;
  field(label: string, input: HTMLElement, note?: string): HTMLLabelElement;
  closeOutside(details: HTMLDetailsElement): void;
  pickText(accept: string, take: (text: string, name: string) => void): void;
  /** Give the bytes of a file that is picked, in base64; null where it has more than `most`. */
  pickFile(accept: string, most: number, take: (data: string | null, name: string) => void): void;
  bytes(count: number): string;
  moment(seconds: number): string;
  heading(title: string, lead: string): HTMLElement;
  sheet(title: string, ...children: Child[]): Sheet;
  whenTyped(field: HTMLTextAreaElement, tell: (text: string) => void): TypedField;
  chevron(): SVGSVGElement;

  // addresses.js
  /** The chat in view; undefined before the first is drawn. */
  chat: number | null | undefined;
  readHash(): { view?: string; chat?: number | null };
  hashOf(view: string | undefined, chat: number | null | undefined): string;
  nameView(): void;
  nameChat(chat: number | null): void;
  awaitChat(chat: number | null): void;
  whenOpened(...given: unknown[]): Promise<unknown[]>;
  openChat?(id: number | null): void;

  // shortcuts.js
  shortcuts: [string, string][];
  shortcutList(): HTMLElement;
  showShortcuts(): void;

  // views.js
  viewNames: [string, string, string][];
  setView(name: string): void;
  goToContent(): void;
  recallView(): string;

  // chat/figures.js
  /** Do it with the kind of cloud that is chosen, now and whenever another is. */
  onCloudKind(act: (kind: CloudValue["kind"]) => void): void;
  showFigures(figures: FigureValue[] | null): void;

  // chat/attach.js
  /** Do it once the files of the chat in view have been read; false: none is, do it yourself. */
  onceRead?(act: () => void): boolean;
  /** Bytes of a file; more is refused before it is read. */
  mostAttached: number;
  /** Milliseconds after which a file that is not there is told of, with ways to go on. */
  attachPatience: number;
  readFile(file: File): Promise<string>;
  attachmentChips(
    attachments: AttachmentValue[],
    fetchText: () => Promise<string | undefined>,
  ): HTMLElement;
  showContext?(value: ContextValue): void;

  // chat/advanced.js
  /** Name, label, least, most, step, and a line of explanation. */
  samplingFields: [SamplingNumber, string, number, number, number, string][];
  selection: string;
  fillVariables(text: string): string;
  promptSheet(trigger: DrawnParts["advanced"]["trigger"]): Updated<AdvancedValue>;

  // cloud/cloud.js
  setCloud(open: boolean): void;
  toggleCloud(): void;
  onChange<Value>(part: Watched<Value>, draw: (value: Value) => void): void;
  lines<Row>(list: HTMLElement, line: (row: Row) => HTMLElement): (rows: Row[]) => void;
  marks: Record<Finding[0], [string, string]>;
  findings(findings: Finding[]): HTMLElement;

  // chat/tokens.js
  sources: Record<TokenSource, string>;
  percent(probability: number | null): string;
  visible(text: string): string;
  paint(node: HTMLElement, source: TokenSource, local?: number | null, cloud?: number | null): void;
  legend(): HTMLElement;
  card: HTMLElement;
  /** With `take` the card stays, and its tokens can be chosen; the focus goes back to `from`. */
  showCard(
    place: DOMRect,
    row: TokenValue,
    take?: (alternative: number) => void,
    from?: HTMLElement | null,
  ): void;
  hideCard(): void;
  /** Close it even if it stays; `back`: the focus goes to where it came from. */
  closeCard(back?: boolean): void;
  enterCard(): void;
  rows: Map<number, TokenValue[]>;
  tokenPanel(
    conversation: number | null,
    message: number,
    fetchRows: DrawnParts["thread"]["server"]["tokens"],
    came: () => void,
    take: TakeToken,
  ): HTMLElement;

  // chat/prose_tokens.js
  colours: boolean;
  shadeOf(row: TokenValue): string;
  spelling(row: TokenValue): string;
  resumptions: [number, number][];
  alignText(
    drawn: string,
    spelled: string,
    owners: number[],
    from: number,
  ): { owner: Int32Array; to: number };
  colourText(text: MessageText, rows: TokenValue[] | null, take?: TakeToken): void;

  // chat/links.js
  linkCard: HTMLElement;
  linkShown: HTMLElement | null;
  readAddress(text: string): URL | null;
  warnOfLink(url: URL, words: string): string;
  showLink(link: HTMLElement): void;
  hideLink(): void;
  askBeforeLinks(node: HTMLElement): void;

  // chat/message.js
  copyButton(name: string, text: () => string | Promise<string | undefined>): HTMLButtonElement;
  parseBlock(html: string): ChildNode[];
  showBlocks(node: MessageText, blocks: string[]): void;
  messageRow(role: string): { row: HTMLElement; text: MessageText };
  highlighted(text: string, spans: ChipValue["spans"]): Child[];
  decisionChip(
    chip: ChipValue,
    fetchText: () => Promise<string | undefined>,
    answer: (name: "release" | "confirm") => void,
  ): HTMLElement;
  messageEditor(editor: {
    own: boolean;
    text: string;
    done: (text: string) => void;
    cancel: () => void;
    changed: (text: string) => void;
  }): HTMLElement;
  surroundings(
    part: Pick<DrawnParts["thread"], "trigger" | "server"> & {
      redraw: (id?: number) => void;
      tokensCame: (id: number) => void;
    },
  ): Surroundings;

  // chat/thread.js
  examples: [string, string][];
  windowRows: number;
  mostRows: number;
  typeText(field: HTMLTextAreaElement, text: string): void;
  followEnd(log: HTMLElement, moved: () => void): FollowedEnd;
  showFrame?(frame: Frame): void;

  // chat/drafts.js
  tellDraft?(): void;
  draftCopy: string;
  unsavedDraft(): string;

  // chat/comparison.js
  askSideBySide?(text: string): void;

  // memory/memory.js
  memoryChip(
    count: number,
    fetchUses: () => Promise<MemoryUseValue[] | undefined>,
    forget: (id: number) => void,
  ): HTMLElement;

  // personalise/chart.js
  svg<Tag extends keyof SVGElementTagNameMap>(
    tag: Tag,
    attributes?: Record<string, string | number>,
    ...children: Child[]
  ): SVGElementTagNameMap[Tag];
  ticks(low: number, high: number, count: number): { ticks: number[]; digits: number };
  dashes: string[];
  sides: string[];
  curve(each: SeriesValue, number: number): { class: string; dash: string };
  chart(xName: string, yName: string): Updated<SeriesValue[]>;

  // settings/data.js
  waitForReopening(): void;

  // personalise/personal.js
  consentCard(question: string, note: string, answer: (allowed: boolean) => void): HTMLElement;
  select(label: string, options: [string, string][], onchange: (value: string) => void): Select;

  // federate/federate.js
  scatter(): Updated<PositionValue[]>;
}

interface DocumentEventMap {
  /** Another view is shown; `detail` is its name. */
  "floe:view": CustomEvent<string>;
  /** Light or dark has been chosen. */
  "floe:theme": Event;
}
