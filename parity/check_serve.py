#!/usr/bin/env python3
"""Asks a running `gorqa serve` as its users' programs do: by the official openai client and by
LangChain's ChatOpenAI. It starts nothing.

    pip install openai langchain-openai
    gorqa serve RUN --port 8000 &
    python check_serve.py http://127.0.0.1:8000 [KEY] [--question Q]

Checked: models, an answer whole and streamed (the same text), usage, citations, stop, max_tokens, logprobs, several
turns, completions, embeddings as base64 and as numbers (the same vectors), errors as the client's
exceptions, LangChain's invoke, stream and batch."""
import argparse
import importlib.metadata
import math

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

failed = 0


def check(name, ok, found):
    global failed
    failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'}  {name}: {found!r:.160}")


def raises(name, kind, part, call):
    try:
        check(name, False, call())
    except kind as e:
        check(name, part in str(e), f"{type(e).__name__}: {e}")


def answers(client, model, question):
    user = [{"role": "user", "content": question}]
    ask = lambda **more: client.chat.completions.create(model=model, messages=user, temperature=0, **more)
    whole = ask()
    text, usage = whole.choices[0].message.content, whole.usage
    check("answer", bool(text), text)
    check("usage", usage.prompt_tokens > 0 and usage.completion_tokens > 0 and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage.to_dict())
    check("citations", all({"text", "score", "document", "metadata"} <= c.keys() for c in getattr(whole, "citations", [])), len(getattr(whole, "citations", [])))
    parts = list(ask(stream=True, stream_options={"include_usage": True}))
    streamed = "".join(p.choices[0].delta.content or "" for p in parts if p.choices)
    check("streamed is whole", streamed == text, len(parts))
    check("usage of the stream", parts[-1].usage == usage, parts[-1].usage and parts[-1].usage.to_dict())
    stop = text[len(text) // 2:][:3]
    stopped = ask(stop=[stop]).choices[0]
    check("stop", stopped.message.content == text[:text.index(stop)] and stopped.finish_reason == "stop", stopped.message.content)
    cut = ask(max_tokens=2)
    check("max_tokens", cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 2, cut.choices[0].message.content)
    none = ask(extra_body={"retrieval": "none"})
    check("retrieval none", not hasattr(none, "citations"), none.choices[0].message.content)
    turns = client.chat.completions.create(model=model, messages=user + [{"role": "assistant", "content": text}, {"role": "user", "content": "And what else?"}])
    check("several turns", turns.usage.prompt_tokens > usage.prompt_tokens // 2, turns.choices[0].message.content)
    likely = ask(max_tokens=8, logprobs=True, top_logprobs=2)
    tokens = likely.choices[0].logprobs.content
    check("logprobs", len(tokens) == likely.usage.completion_tokens and all(t.top_logprobs[0].token == t.token and t.top_logprobs[1].logprob <= t.logprob < 0 for t in tokens), [(t.token, round(t.logprob, 3)) for t in tokens])
    plain = client.completions.create(model=model, prompt="Once upon a time", max_tokens=4)
    check("completions", plain.usage.completion_tokens <= 4, plain.choices[0].text)
    return text


def embeddings(client, model):
    texts = ["How do I join paths?", "A goroutine is a thread of execution.", "x " * 3000] + [f"text {i}" for i in range(97)]
    packed = client.embeddings.create(model=model, input=texts)  # base64, the client's own default
    plain = client.embeddings.create(model=model, input=texts, encoding_format="float")
    worst = max(math.dist(a.embedding, b.embedding) for a, b in zip(packed.data, plain.data))
    check("embeddings, base64 and numbers", len(packed.data) == len(texts) and worst < 1e-5, (len(packed.data), len(packed.data[0].embedding), worst))
    check("tokens of embeddings", packed.usage.prompt_tokens > len(texts), packed.usage.to_dict())
    one = client.embeddings.create(model=model, input=texts[0])
    check("one text", math.dist(one.data[0].embedding, packed.data[0].embedding) < 2e-2, math.dist(one.data[0].embedding, packed.data[0].embedding))


def errors(client, url, model, key):
    user = [{"role": "user", "content": "How?"}]
    ask = lambda **more: client.chat.completions.create(**{"model": model, "messages": user} | more)
    raises("another model", openai.NotFoundError, "gpt-4o", lambda: ask(model="gpt-4o"))
    raises("tools", openai.BadRequestError, "tools", lambda: ask(tools=[{"type": "function", "function": {"name": "f"}}]))
    raises("temperature", openai.BadRequestError, "temperature", lambda: ask(temperature=3))
    raises("no question", openai.BadRequestError, "messages", lambda: ask(messages=[]))
    raises("too many tokens", openai.BadRequestError, "tokens", lambda: ask(max_tokens=1 << 30))
    raises("too long", openai.APIStatusError, "", lambda: ask(messages=[{"role": "user", "content": "x" * (2 << 20)}]))
    if key:
        raises("another key", openai.AuthenticationError, "key", lambda: openai.OpenAI(base_url=url, api_key="another").models.list())


def langchain(url, key, model, embedder, question, want):
    chat = ChatOpenAI(base_url=url, api_key=key or "none", model=model, temperature=0)
    check("LangChain's invoke", chat.invoke(question).content == want, want)
    check("LangChain's stream", "".join(p.content for p in chat.stream(question)) == want, "")
    check("LangChain's batch", [a.content for a in chat.batch([question] * 3)] == [want] * 3, "")
    if embedder:
        e = OpenAIEmbeddings(base_url=url, api_key=key or "none", model=embedder, check_embedding_ctx_length=False)
        check("LangChain's embeddings", len(e.embed_documents(["one", "two"])) == 2, "")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("url")
    p.add_argument("key", nargs="?", default="")
    p.add_argument("--question", default="What does package bytes do?")
    a = p.parse_args()
    print(", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("openai", "langchain-openai", "langchain-core")))
    url = a.url.rstrip("/") + "/v1"
    client = openai.OpenAI(base_url=url, api_key=a.key or "none", max_retries=0)
    names = [m.id for m in client.models.list()]
    check("models", len(names) > 0 and client.models.retrieve(names[0]).id == names[0], names)
    want = answers(client, names[0], a.question)
    if len(names) > 1:
        embeddings(client, names[1])
    errors(client, url, names[0], a.key)
    langchain(url, a.key, names[0], names[1] if len(names) > 1 else "", a.question, want)
    raise SystemExit(f"{failed} checks failed" if failed else 0)


main()
