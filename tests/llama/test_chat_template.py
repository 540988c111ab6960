"""A template is a foreign program: hostile ones end in a sentence, honest ones are as before."""

import pytest
from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from floe.errors import ModelError
from floe.llama import chat_template
from floe.llama.chat_template import BoundedTemplate, TemplateBoundsError, template_values
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage

SAID = [
    {"role": "system", "content": "Be “short”."},
    {"role": "user", "content": "Hello\n"},
    {"role": "assistant", "content": "<b>&amp;"},
    {"role": "user", "content": " tell me "},
]
ELABORATE = """
{%- set ns = namespace(found=false, text='') -%}
{%- macro say(role, text) -%}<{{ role ~ ':' ~ 1 }}>{{ text | trim }}{%- endmacro -%}
{%- for m in messages -%}
  {%- if m['role'] == 'system' and not ns.found -%}
    {%- set ns.found = true %}{%- set ns.text = m.content.strip().replace('“', '"') + '\\n' -%}
  {%- elif loop.last or m.role in ['user', 'tool'] -%}
    {{ bos_token }}{{ say(m.role, ns.text + m['content']) }}{{ loop.index0 % 2 }}{{ '-' * 3 }}
  {%- else -%}
    {% generation %}{{ m.content | tojson }}{{ m | length }}{% endgeneration %}{{ eos_token }}
  {%- endif -%}
  {%- if m.content.split(' ')[-1] | upper is string %}{{ messages[1:] | map(attribute='role')
     | join(', ') }}{% endif -%}
{%- endfor -%}
{%- if tools %}{{ tools | tojson(indent=2) }}{% endif -%}
{%- if strftime_now is defined %}!{% endif -%}
{%- if add_generation_prompt %}[assistant]{% endif %}
"""


def render(source: str) -> str:
    return BoundedTemplate(source).render(template_values(SAID, bos_text="<s>", eos_text="</s>"))


def test_an_honest_template_reads_as_in_llama_cpp_python(
    smollm: LlamaModel, qwen: LlamaModel
) -> None:
    for source in (
        ELABORATE,
        smollm.metadata["tokenizer.chat_template"],
        qwen.metadata["tokenizer.chat_template"],
    ):
        formatter = Jinja2ChatFormatter(template=source, bos_token="<s>", eos_token="</s>")
        assert render(source) == formatter(messages=SAID).prompt  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 'a'.center(9999999999) }}",
        "{{ 'a'|center(9999999999) }}",
        "{{ 'a'.zfill(9999999999) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '%9999999999d'|format(1) }}",
        "{{ '{:9999999999}'.format(1) }}",
        "{{ 'a'|indent(99999999999) }}",
        "{{ (1).to_bytes(10000000000, 'big') }}",
        "{{ 'aaaa'.replace('', 'b' * 9000000) }}",
        "{{ 'aaaa'|replace('a', 'b' * 9000000) }}",
        "{{ range(9)|map('string')|join('x' * 9000000) }}",
        "{{ ('x' * 9000000).join(['a', 'b', 'c']) }}",
        "{% set n = namespace(s='aaaa') %}{% for i in range(60) %}{% set n.s = n.s + n.s %}"
        "{% endfor %}",
        "{% set n = namespace(s='aaaa') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}"
        "{% endfor %}",
        "{% for a in range(100000) %}{{ 'a' * 1000 }}{% endfor %}",
        "{% set x %}{% for a in range(100000) %}{{ 'a' * 1000 }}{% endfor %}{% endset %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ messages.append(1) }}",
        "{{ lipsum(n=1000000) }}",
        "{% include '/etc/passwd' %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ 1 / 0 }}",
        "{% for",
        "a" * (chat_template.MAX_SOURCE + 1),
    ],
)
def test_a_template_that_wants_too_much_is_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source)


def test_a_template_that_runs_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "MAX_SECONDS", 0.2)
    loops = "{% for a in range(100000) %}" * 3 + "{% endfor %}" * 3
    with pytest.raises(TemplateBoundsError, match="takes far too long"):
        render(loops)
    nested = "{% set n = namespace(s=['a']) %}{% for i in range(60) %}"
    nested += "{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}"
    with pytest.raises(TemplateBoundsError, match="takes far too long"):
        render(nested)
    assert render("{{ messages[0].role }}") == "system"


class HostileModel:
    """A model whose file brings a template of somebody else's."""

    context_size = 512

    def __init__(self, model: LlamaModel, template: str) -> None:
        self.vocabulary = model.vocabulary
        self.metadata = {"tokenizer.chat_template": template}


def test_a_hostile_template_of_a_file_is_a_sentence(smollm: LlamaModel) -> None:
    with pytest.raises(ModelError, match="cannot be used: unexpected 'end of template'"):
        PromptBuilder(HostileModel(smollm, "{% for"))
    builder = PromptBuilder(HostileModel(smollm, "{{ 'a' * 99999999999 }}"))
    with pytest.raises(ModelError, match="refuses this conversation: it makes texts"):
        builder.build([ChatMessage("user", "hi")])
    builder = PromptBuilder(HostileModel(smollm, "{{ raise_exception('no ' * 1000) }}"))
    with pytest.raises(ModelError) as error:
        builder.build([ChatMessage("user", "hi")])
    assert len(str(error.value)) < 500
