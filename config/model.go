package config

// Model says which model to start from.
type Model struct {
	ModelNameOrPath   string // a folder, a GGUF file or a hub id; of a model or of an adapter
	ModelRevision     string // branch, tag or commit of a hub id
	AdapterNameOrPath string // an adapter to put on it; "" = none, or the one that ModelNameOrPath is
	LoadIn8bit        bool   // hold the linear layers' weights in 8 bits
	LoadIn4bit        bool   // or in 4
}

// DefaultModel has a hub id's main branch.
func DefaultModel() Model { return Model{ModelRevision: "main"} }

func (m *Model) declare(s *set) {
	s.section("Model")
	s.text(&m.ModelNameOrPath, "model_name_or_path", "MODEL", "model to start from: a Hugging Face folder, a .gguf file, a name that gorqa fetch model lists, or a hub id (required)")
	s.text(&m.ModelRevision, "model_revision", "NAME", "branch, tag or commit of a hub id")
	s.alias("model_revision", "revision")
}

// declareAdapter is for the commands that run the model.
func (m *Model) declareAdapter(s *set) {
	s.text(&m.AdapterNameOrPath, "adapter_name_or_path", "ADAPTER", "adapter (LoRA) in PEFT's format to put on the model; a folder of one as model_name_or_path brings its own base model")
	s.boolean(&m.LoadIn8bit, "load_in_8bit", "hold the weights of the linear layers in 8 bits, 32 values to a scale: less memory, more time; those of a Q8_0 GGUF file stay what they are. For training, with use_peft")
	s.boolean(&m.LoadIn4bit, "load_in_4bit", "the same in 4 bits and a step and a lowest value for 32; those of a Q4_0, Q4_1 or Q4_K GGUF file stay what they are")
}

func (m *Model) check(p *problems) {
	p.needed(m.ModelNameOrPath, "model_name_or_path", "a model folder, a .gguf file or a hub id")
	p.local(m.ModelNameOrPath, "model_name_or_path")
	p.that(!m.LoadIn8bit || !m.LoadIn4bit, "load_in_4bit: true found beside load_in_8bit; one of them expected")
}

// QuantBits says in how many bits a value of the linear layers is held; 0, it is
// not quantised.
func (m *Model) QuantBits() int {
	switch {
	case m.LoadIn4bit:
		return 4
	case m.LoadIn8bit:
		return 8
	}
	return 0
}

// Fresh says what a model is made of that starts from random weights.
type Fresh struct {
	ConfigName    string // its config.json, or a folder, hub id or name with one; "" = no fresh model
	TokenizerName string // a model whose tokenizer it takes; "" = the one beside its config.json
}

func (m *Fresh) declare(s *set) {
	s.section("Model from random weights, in the place of model_name_or_path")
	s.text(&m.ConfigName, "config_name", "PATH", "a config.json, or a model folder or hub id that has one")
	s.text(&m.TokenizerName, "tokenizer_name", "MODEL", "model whose tokenizer to take: a folder, a .gguf file, a name that gorqa fetch model lists, or a hub id (if not given, the one beside config_name)")
}

func (m *Fresh) check(p *problems, model string) {
	p.that(m.ConfigName == "" || model == "", "config_name: %q found beside model_name_or_path %q; one of them expected: random weights, or those of a model", m.ConfigName, model)
	p.that(m.TokenizerName == "" || m.ConfigName != "", "tokenizer_name: %q found without config_name; both expected, or neither, since a model has its own tokenizer", m.TokenizerName)
}

// Hub says where models that are not on the disk come from.
type Hub struct {
	CacheDir string // of models from the hub; "" = the hub's own cache
	Offline  bool   // ask no hub
	Token    string // hub token; "" = HF_TOKEN or the hub's own file; never written
}

func (m *Hub) declare(s *set) {
	s.section("Hub")
	s.text(&m.CacheDir, "cache_dir", "DIR", "where models from the hub are kept, if not in the hub's own cache")
	s.boolean(&m.Offline, "offline", "use only what is in the caches")
	s.text(&m.Token, "token", "TOKEN", "hub token, if not in HF_TOKEN or the hub's own file").secret = true
	s.alias("offline", "local_files_only")
	s.alias("token", "hub_token")
}
