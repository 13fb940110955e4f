// SPDX-License-Identifier: Apache-2.0
// Forms of conversations that whole families of models were trained with, for files that lack
// their template. Those without a place for the system's words put them before the user's.
#include "text/named_templates.h"

#include <array>
#include <utility>

namespace lazyllm::text {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kTemplates = {{
    {"chatml",
     "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"},
    {"command-r",
     "{{ bos_token }}{% for m in messages %}<|START_OF_TURN_TOKEN|>"
     "{% if m.role == 'assistant' %}<|CHATBOT_TOKEN|>{% elif m.role == 'system' %}<|SYSTEM_TOKEN|>"
     "{% else %}<|USER_TOKEN|>{% endif %}{{ m.content | trim }}<|END_OF_TURN_TOKEN|>{% endfor %}"
     "{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"},
    {"deepseek",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}User: {{ m.content }}\n\n"
     "{% elif m.role == 'assistant' %}Assistant: {{ m.content }}{{ eos_token }}"
     "{% else %}{{ m.content }}\n\n{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}Assistant:{% endif %}"},
    {"gemma",
     "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
     "{% if m.role == 'system' %}{% set ns.system = ns.system ~ m.content ~ '\n\n' %}{% else %}"
     "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
     "{{ ns.system }}{{ m.content | trim }}<end_of_turn>\n{% set ns.system = '' %}{% endif %}"
     "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"},
    {"granite",
     "{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}"
     "<|end_of_text|>\n{% endfor %}"
     "{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"},
    {"llama2",
     "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
     "{% set ns.system = '<<SYS>>\n' ~ m.content ~ '\n<</SYS>>\n\n' %}"
     "{% elif m.role == 'assistant' %} {{ m.content | trim }} {{ eos_token }}{% else %}"
     "{{ bos_token }}[INST] {{ ns.system }}{{ m.content | trim }} [/INST]"
     "{% set ns.system = '' %}{% endif %}{% endfor %}"},
    {"llama3",
     "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
     "{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
     "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"},
    {"mistral-v3",
     "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
     "{% if m.role == 'system' %}{% set ns.system = ns.system ~ m.content ~ '\n\n' %}"
     "{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}{% else %}"
     "[INST] {{ ns.system }}{{ m.content }}[/INST]{% set ns.system = '' %}{% endif %}{% endfor %}"},
    {"mistral-v7",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
     "[SYSTEM_PROMPT] {{ m.content }}[/SYSTEM_PROMPT]{% elif m.role == 'assistant' %} "
     "{{ m.content }}{{ eos_token }}{% else %}[INST] {{ m.content }}[/INST]{% endif %}"
     "{% endfor %}"},
    {"phi3",
     "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"},
    {"phi4",
     "{% for m in messages %}<|im_start|>{{ m.role }}<|im_sep|>{{ m.content }}<|im_end|>"
     "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}"},
    {"vicuna",
     "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n\n"
     "{% elif m.role == 'assistant' %}ASSISTANT: {{ m.content }}{{ eos_token }}\n"
     "{% else %}USER: {{ m.content }}\n{% endif %}{% endfor %}"
     "{% if add_generation_prompt %}ASSISTANT:{% endif %}"},
    {"zephyr",
     "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
     "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"},
}};

}  // namespace

std::string_view named_template(std::string_view name) {
  for (const auto& [known, source] : kTemplates) {
    if (known == name) return source;
  }
  return {};
}

std::vector<std::string> named_template_names() {
  std::vector<std::string> names;
  for (const auto& entry : kTemplates) names.emplace_back(entry.first);
  return names;
}

}  // namespace lazyllm::text
