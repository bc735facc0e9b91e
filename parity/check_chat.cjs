// check_chat.py's side of llama.cpp: answers conversations by its chat, greedily,
// with nothing but what the GGUF file says. It is run where @fugood/llama.node is
// installed.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const load = createRequire(process.cwd() + "/");
const { loadModel } = load("@fugood/llama.node");

async function main() {
  const asked = JSON.parse(readFileSync(0, "utf8"));
  const context = await loadModel({ model: asked.model, n_ctx: 4096, n_gpu_layers: 0, cache_type_k: "f32", cache_type_v: "f32", flash_attn_type: "off" });
  const answers = [];
  for (const messages of asked.conversations) {
    const { text } = await context.completion({ messages, jinja: true, n_predict: asked.most, temperature: 0, top_k: 1, penalty_repeat: 1 });
    answers.push(text);
  }
  const { version } = load("@fugood/llama.node/package.json");
  console.log(JSON.stringify({ library: `llama.cpp (@fugood/llama.node ${version})`, answers }));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
