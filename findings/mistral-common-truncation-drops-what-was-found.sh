#!/usr/bin/env bash
# mistral-common 1.13.1, by which Mistral's models are prompted, encode_chat_completion with truncate_for_context_length: the
# tokens are more than max_model_input_len, the most that its docstring says the model takes, or lack the tool's answer.
# Expected were that many at most, made by dropping old turns, or the TokenizerException that it has for what can't fit.
#
# Tokenizers v1, v2 and v3 (Mixtral 8x22B, Nemo) pass over both settings; only a comment in the code says so. From v7 on the
# <s> in front is not counted, so the prompt may be one token too long. And when dropping comes to the last question, which
# is kept, all that follows it is dropped as if the question had been: the model's call of a search tool and what the tool
# found, though by the code's own rules the last message is never dropped. The model is asked again, with nothing found.
#
# Seen on Python 3.11; an old turn of two messages, a question, a call of a tool, the tool's answer:
#   v3: 100 tokens without a limit; 100 for a limit of 50
#   v7: 90 tokens without a limit; 90 for a limit of 89
#   v7: 37 tokens for a limit of 80, of which the last are [INST]▁When▁was▁the▁library▁opened?[/INST]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  mistral-common==1.13.1 tiktoken==0.14.0 sentencepiece==0.2.3 pydantic==2.14.4 numpy==2.3.5
"$work/v/bin/python" -W ignore - <<'P' | tee "$work/seen"
from mistral_common.protocol.instruct.messages import AssistantMessage, ToolMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function, FunctionCall, Tool, ToolCall
from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
call = ToolCall(id="abcdefghi", function=FunctionCall(name="search", arguments='{"q": "library"}'))
messages = [UserMessage(content="Hello."), AssistantMessage(content="Hello!"),
            UserMessage(content="When was the library opened?"), AssistantMessage(tool_calls=[call]),
            ToolMessage(tool_call_id=call.id, name="search", content="It was opened in May 2021.")]
tools = [Tool(function=Function(name="search", parameters={}))]
def encode(tokenizer, limit=None):
    request = ChatCompletionRequest(messages=messages, tools=tools, truncate_for_context_length=limit is not None)
    return tokenizer.encode_chat_completion(request, max_model_input_len=limit).tokens
v3, v7 = MistralTokenizer.v3(), MistralTokenizer.v7()
print(f"v3: {len(encode(v3))} tokens without a limit; {len(encode(v3, 50))} for a limit of 50")
print(f"v7: {len(encode(v7))} tokens without a limit; {len(encode(v7, 89))} for a limit of 89")
left = encode(v7, 80)
text = v7.decode(left, special_token_policy=SpecialTokenPolicy.KEEP)
print(f"v7: {len(left)} tokens for a limit of 80, of which the last are {text[text.index('[INST]'):]}")
P
diff "$work/seen" - <<'E'
v3: 100 tokens without a limit; 100 for a limit of 50
v7: 90 tokens without a limit; 90 for a limit of 89
v7: 37 tokens for a limit of 80, of which the last are [INST]▁When▁was▁the▁library▁opened?[/INST]
E
