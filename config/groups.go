package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gorqa/tensor/train/schedule"
)

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

// Engine says what models are computed with.
type Engine struct {
	BF16        bool   // compute in bfloat16; weights and moments stay float32
	Backend     string // "xla:cpu", "xla:cuda12" or "xla:cuda13"
	OnLowMemory string // "error" or "warn"
}

// DefaultEngine computes in bfloat16. (TrainingArguments' default is float32;
// LocalRQA's examples all turn bfloat16 on, and it is the faster and smaller
// of the two on every device the engine reaches well.)
func DefaultEngine() Engine { return Engine{BF16: true, Backend: "xla:cpu", OnLowMemory: "error"} }

func (m *Engine) declare(s *set) {
	s.section("Engine")
	s.boolean(&m.BF16, "bf16", "compute in bfloat16 over float32 weights where the device is fast at it; false computes in float32")
	s.choice(&m.Backend, "backend", "device to compute on: the CPU, or an NVIDIA GPU by its CUDA version", "xla:cpu", "xla:cuda12", "xla:cuda13")
	s.choice(&m.OnLowMemory, "on_low_memory", "what to do when the model is predicted to need clearly more memory than is available (of the system, the control groups, the user's limits, or the GPU): stop before it is loaded, or warn and go on", "error", "warn")
	s.cpuOnly()
}

// cpuOnly declares transformers' way of asking for the CPU, by both names.
func (s *set) cpuOnly() {
	asked := false
	st := s.boolean(&asked, "use_cpu", "")
	st.hidden = true
	s.alias("use_cpu", "no_cuda")
	s.later = append(s.later, func() ([]string, error) {
		if backend := s.lookup("backend"); asked && backend.text() != "xla:cpu" {
			return nil, fmt.Errorf("%suse_cpu: true found with backend %s; one of them expected", st.where, backend.text())
		}
		return nil, nil
	})
}

// Prompt says how passages, history, question and answer become one text.
type Prompt struct {
	PromptTemplate string // AutoTemplate, DefaultTemplate, ChatTemplate, LocalRQATemplate or a file
	ChatDate       string // YYYY-MM-DD, what chat templates that tell the date tell; "" for the trained prompt's, else today's

	// What stands around turns, nil where nothing was given: then the template
	// has its own.
	UserPrefix      *string
	AssistantPrefix *string
	SepUser         *string // after a turn of the user
	SepSys          *string // after a turn of the assistant; ends an answer

	MaxSeqLength int // tokens of a row: passages, dialogue and answer; for decoders

	// For FiD, 0 where the model's fid.json or LocalRQA's default says it.
	MaxEncoderSeqLength int // tokens of a passage with the dialogue
	MaxDecoderSeqLength int // tokens of an answer that is learnt
}

// The values of --prompt_template that are no file.
const (
	AutoTemplate     = "auto"     // what the model was trained with; else its own chat template; else DefaultTemplate
	DefaultTemplate  = "default"  // gorqa's wording
	ChatTemplate     = "chat"     // the model's own chat template
	LocalRQATemplate = "localrqa" // LocalRQA's wording
)

// DefaultPrompt leaves the choice to the model.
func DefaultPrompt() Prompt { return Prompt{PromptTemplate: AutoTemplate, MaxSeqLength: 2048} }

// Date is the date that was given, zero for none.
func (m *Prompt) Date() (time.Time, error) {
	if m.ChatDate == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, m.ChatDate)
}

// Words says whether a prefix or separator was given.
func (m *Prompt) Words() bool {
	return m.UserPrefix != nil || m.AssistantPrefix != nil || m.SepUser != nil || m.SepSys != nil
}

// declare takes the recipe, "" for a model of any.
func (m *Prompt) declare(s *set, recipe string) {
	s.section("Prompt")
	s.text(&m.PromptTemplate, "prompt_template", "auto|default|chat|localrqa|FILE", "wording of the prompt: auto (what the model was trained with; else its own chat template, where it has one and no prefix or separator is given; else gorqa's wording), gorqa's (default), the model's own chat template, LocalRQA's wording, or a file with {passages} and {dialogue}")
	s.text(&m.ChatDate, "chat_date", "YYYY-MM-DD", "the date in prompts of chat templates that tell one (if not given, the one that the model was trained with, else today's)")
	s.maybeText(&m.UserPrefix, "user_prefix", "TEXT", "what stands before a turn of the user (if not given, USER)")
	s.maybeText(&m.AssistantPrefix, "assistant_prefix", "TEXT", "what stands before a turn of the assistant (if not given, ASSISTANT)")
	s.maybeText(&m.SepUser, "sep_user", "TEXT", "what ends a turn of the user (if not given, a space)")
	s.maybeText(&m.SepSys, "sep_sys", "TEXT", "what ends a turn of the assistant, and so an answer: best a special token of the model's (if not given, the tokenizer's end token, with localrqa </s>)")
	if recipe != FiD {
		s.integer(&m.MaxSeqLength, "max_seq_length", "tokens a row may have, passages and answer included; passages lose text from the end (with train swr, whole passages go first), an answer never")
	}
	if recipe == FiD || recipe == "" {
		s.maybeInteger(&m.MaxEncoderSeqLength, "max_encoder_seq_length", "FiD: tokens a passage may have together with history and question; it loses text from its end (if not given, what the model's fid.json says, else 512)")
	}
}

// declareAnswer is for the commands that encode answers.
func (m *Prompt) declareAnswer(s *set, recipe string) {
	if recipe == FiD || recipe == "" {
		s.maybeInteger(&m.MaxDecoderSeqLength, "max_decoder_seq_length", "FiD: tokens an answer may have that is learnt; it is never cut, see on_overflow (if not given, what the model's fid.json says, else 256)")
	}
}

func (m *Prompt) check(p *problems) {
	p.needed(m.PromptTemplate, "prompt_template", "auto, default, chat, localrqa or a file")
	_, err := m.Date()
	p.that(err == nil, "chat_date: %q found; a day as 2026-03-31 expected", m.ChatDate)
	p.between(m.MaxSeqLength, 1, MostTokens, "max_seq_length")
	p.between(m.MaxEncoderSeqLength, 0, MostTokens, "max_encoder_seq_length")
	p.between(m.MaxDecoderSeqLength, 0, MostTokens, "max_decoder_seq_length")
}

// Database is the documents that questions are asked of, and the retriever
// that finds passages in them.
type Database struct {
	FullDatasetFilePath  string // documents, .jsonl or .pkl
	FullDatasetIndexPath string // cached vectors; made if it is not there
	EvalRetriever        string // Dense, BM25, Hybrid or OpenAI
	EvalEmbeddingModel   string // a folder or hub id of an embedding model; with OpenAI the endpoint's name of it
	EvalK                int    // passages retrieved for a question; 0 = the model's fid.json says, else LocalRQA's 4
	Similarity           string // what vectors are compared by; AutoSimilarity for what the embedding model says
	Rerank
}

// Rerank says what puts the passages that a retriever finds in order anew.
type Rerank struct {
	Reranker  string // a folder or hub id of a cross-encoder; "" = nothing does
	RerankTop int    // passages that it scores for a question
}

// DefaultRerank scores the first 30 where there is a reranker.
func DefaultRerank() Rerank { return Rerank{RerankTop: 30} }

func (m *Rerank) declare(s *set) {
	s.text(&m.Reranker, "reranker", "MODEL", "cross-encoder that puts the passages found in order anew: a folder or a hub id, such as cross-encoder/ms-marco-MiniLM-L6-v2")
	s.integer(&m.RerankTop, "rerank_top", "passages that the reranker scores for a question, at least as many as are asked for")
	s.alias("rerank_top", "rerank_top_n")
}

func (m *Rerank) check(p *problems) {
	p.between(m.RerankTop, 1, MostRows, "rerank_top")
	if m.Reranker != "" {
		p.local(m.Reranker, "reranker")
	}
}

// AutoSimilarity is what the folder of the embedding model says.
const AutoSimilarity = "auto"

// DefaultDatabase finds passages by an embedding model and leaves their number and the
// similarity to the models.
func DefaultDatabase() Database {
	return Database{EvalRetriever: Dense, Similarity: AutoSimilarity, Rerank: DefaultRerank()}
}

func declareSimilarity(s *set, similarity *string) {
	s.choice(similarity, "similarity", "what vectors of questions and passages are compared by: auto (what the embedding model's folder says, as sentence-transformers does; of a retriever that LocalRQA trained, Euclidean distance, by which LocalRQA searches), or one of sentence-transformers' names", AutoSimilarity, "cosine", "dot", "euclidean", "manhattan")
	s.alias("similarity", "similarity_fn_name")
}

func (m *Database) declare(s *set) {
	s.section("Retrieval")
	declareDocuments(s, &m.FullDatasetFilePath, &m.FullDatasetIndexPath)
	s.choice(&m.EvalRetriever, "eval_retriever", "how passages are found for a question: by eval_embedding_model, by words, by both, or by an OpenAI-compatible embeddings endpoint (OPENAI_BASE_URL, OPENAI_API_KEY)", Dense, BM25, Hybrid, OpenAI)
	s.text(&m.EvalEmbeddingModel, "eval_embedding_model", "MODEL", "embedding model: a sentence-transformers folder, a name that gorqa fetch model lists, or a hub id; with the retriever openai a name that the endpoint knows")
	s.maybeInteger(&m.EvalK, "eval_k", "passages retrieved for a question (if not given, what the model's fid.json says, else 4)")
	declareSimilarity(s, &m.Similarity)
	m.Rerank.declare(s)
	s.alias("eval_embedding_model", "embedding_model_name_or_path")
}

func declareDocuments(s *set, file, index *string) {
	s.text(file, "full_dataset_file_path", "FILE", "documents to retrieve from, .jsonl or .pkl")
	s.text(index, "full_dataset_index_path", "PATH", "where their vectors are kept; made when not there, and only new documents are embedded")
	s.alias("full_dataset_file_path", "document_path")
	s.alias("full_dataset_index_path", "index_path")
}

func (m *Database) check(p *problems, why string) {
	p.needed(m.FullDatasetFilePath, "full_dataset_file_path", "the documents to retrieve from"+why)
	if m.EvalRetriever != BM25 {
		p.needed(m.EvalEmbeddingModel, "eval_embedding_model", "an embedding model, or --eval_retriever bm25"+why)
	}
	if embeds(m.EvalRetriever) {
		p.local(m.EvalEmbeddingModel, "eval_embedding_model")
	}
	p.between(m.EvalK, 0, MostRows, "eval_k")
	m.Rerank.check(p)
}

// Generation says how answers are decoded.
type Generation struct {
	EvalMaxNewTokens int
	DoSample         bool // false: greedy
	Temperature      float64
	TopP             float64
	TopK             int // 0: all
	NumBeams         int // of encoder-decoders; 1: greedy

	PromptLookupNumTokens int // drafted at most; 0: none
}

// DefaultGeneration is greedy, at most 128 tokens.
func DefaultGeneration() Generation {
	return Generation{EvalMaxNewTokens: 128, Temperature: 1, TopP: 1, NumBeams: 1, PromptLookupNumTokens: 10}
}

func (m *Generation) declare(s *set) {
	s.section("Generation")
	s.integer(&m.EvalMaxNewTokens, "eval_max_new_tokens", "tokens an answer may have")
	s.boolean(&m.DoSample, "do_sample", "draw the next token instead of taking the likeliest")
	s.number(&m.Temperature, "temperature", "divides the logits before drawing; below 1 is less random")
	s.number(&m.TopP, "top_p", "draw from the likeliest tokens that together reach this probability")
	s.integer(&m.TopK, "top_k", "draw from this many of the likeliest tokens; 0 for all")
	s.integer(&m.NumBeams, "num_beams", "beams of the search for an answer, for encoder-decoders (FiD); 1 for greedy decoding")
	s.integer(&m.PromptLookupNumTokens, "prompt_lookup_num_tokens", "tokens at most that are copied from the prompt and tried at once where an answer repeats it, by decoders on the processor; greedy answers stay the same, 0 for none")
	s.alias("eval_max_new_tokens", "max_new_tokens")
}

func (m *Generation) check(p *problems) {
	p.between(m.EvalMaxNewTokens, 1, MostTokens, "eval_max_new_tokens")
	p.single(m.Temperature, "temperature")
	p.that(m.Temperature > 0, "temperature: %v found; more than 0 expected (for greedy decoding leave do_sample false)", m.Temperature)
	p.that(m.TopP > 0 && m.TopP <= 1, "top_p: %v found; more than 0 and at most 1 expected", m.TopP)
	p.between(m.TopK, 0, math.MaxInt32, "top_k")
	p.between(m.NumBeams, 1, 1024, "num_beams")
	p.between(m.PromptLookupNumTokens, 0, 1024, "prompt_lookup_num_tokens")
	p.that(m.NumBeams <= 1 || !m.DoSample, "num_beams: %d found with do_sample; one of them expected", m.NumBeams)
}

// Contexts of an evaluation: whose passages the model answers from.
const (
	Retrieved = "retrieved"
	Gold      = "gold"
	None      = "none"     // no passages: what the model knows by itself
	Shuffled  = "shuffled" // another row's gold ones
)

// Scoring says how a model is scored.
type Scoring struct {
	PerDeviceEvalBatchSize int
	EvalContexts           []string // of Retrieved, Gold, None and Shuffled
	WritePredictions       bool
	GenGPT4Eval            bool   // have a model judge the answers to the test set
	JudgeModel             string // as the endpoint calls it
}

// DefaultScoring scores on retrieved passages. (The batch size is
// TrainingArguments'; LocalRQA takes 1 to save memory. The scores do not
// depend on it.)
func DefaultScoring() Scoring {
	return Scoring{PerDeviceEvalBatchSize: 8, EvalContexts: []string{Retrieved}, WritePredictions: true}
}

func (m *Scoring) declare(s *set) {
	s.section("Evaluation")
	s.integer(&m.PerDeviceEvalBatchSize, "per_device_eval_batch_size", "rows a batch of evaluation and generation holds")
	s.alias("per_device_eval_batch_size", "per_gpu_eval_batch_size")
	s.list(&m.EvalContexts, "eval_contexts", "retrieved,gold,none,shuffled", "passages to answer from: those retrieved, the gold ones, none at all, another row's gold ones (which shows whether answers come from the passages), or several of these in turn")
	s.boolean(&m.WritePredictions, "write_predictions", "save the questions, passages and answers of every evaluation")
	s.boolean(&m.GenGPT4Eval, "gen_gpt4eval", "have a model behind an OpenAI-compatible endpoint (OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_ORG_ID) judge whether the answers to test_file are right; verdicts are kept in the cache folder, so that the same answer is judged once")
	s.text(&m.JudgeModel, "judge_model", "NAME", "the judge, by the name that the endpoint knows; needed with gen_gpt4eval")
}

func (m *Scoring) check(p *problems) {
	p.between(m.PerDeviceEvalBatchSize, 1, MostRows, "per_device_eval_batch_size")
	p.that(len(m.EvalContexts) > 0, "eval_contexts: nothing found; retrieved, gold, none or shuffled expected, or several")
	for i, c := range m.EvalContexts {
		p.that(slices.Contains([]string{Retrieved, Gold, None, Shuffled}, c), "eval_contexts: %q found; retrieved, gold, none or shuffled expected", c)
		p.that(!slices.Contains(m.EvalContexts[:i], c), "eval_contexts: %q found twice; once expected", c)
	}
	if m.GenGPT4Eval {
		p.needed(m.JudgeModel, "judge_model", "the model that judges answers (LocalRQA's gpt-4-1106-preview is served no more), or --gen_gpt4eval false")
	}
}

// Retrieves says whether an evaluation needs the document database.
func (m *Scoring) Retrieves() bool { return slices.Contains(m.EvalContexts, Retrieved) }

// What a follow-up question is retrieved by.
const (
	Bare     = "none"     // the question alone
	Concat   = "concat"   // the user's earlier messages and the question
	Rephrase = "rephrase" // the question as the generator words it anew
)

// declareHistory declares what follow-up questions are retrieved by.
func declareHistory(s *set, p *string) {
	s.choice(p, "history", "what the retriever is asked for a question that follows on earlier turns (chat_history): the question alone, the user's earlier messages with it, or the question as the generator words it anew to stand alone", Bare, Concat, Rephrase)
}

// Data is the files of rows.
type Data struct {
	TrainFile      string
	EvalFile       string
	TestFile       string // "" = no test at the end
	LossOn         string // "answer" (and its separator) or "all"
	OnOverflow     string // "error" or "skip": rows too long even without passages
	OnBadRows      string // "error" or "skip": rows with missing or empty parts
	GroupByPassage bool
}

// DefaultData takes the loss on the answer.
func DefaultData() Data { return Data{LossOn: "answer", OnBadRows: "error", OnOverflow: "error"} }

func (m *Data) declare(s *set, recipe string) {
	s.section("Data")
	s.text(&m.TrainFile, "train_file", "FILE", "rows to train on, JSONL: question, gold_docs, gold_answer, chat_history")
	s.text(&m.EvalFile, "eval_file", "FILE", "rows to evaluate on during training")
	s.text(&m.TestFile, "test_file", "FILE", "rows to score at the end")
	if recipe != FiD {
		s.choice(&m.LossOn, "loss_on", "tokens that are learnt: the answer with its separator, or the whole row", "answer", "all")
		s.boolean(&m.GroupByPassage, "group_by_passage", "let rows on the same passage share it in one packed sequence: faster, but they then come in the same step")
	}
	declareOverflow(s, &m.OnOverflow)
	declareBadRows(s, &m.OnBadRows)
}

func declareOverflow(s *set, p *string) {
	s.choice(p, "on_overflow", "what to do when rows are too long even without passages, or their questions leave no room for an answer: stop before anything is computed, or leave them out", "error", "skip")
}

func declareBadRows(s *set, p *string) {
	s.choice(p, "on_bad_rows", "what to do when rows lack a part or have an empty one: stop with all of them listed, or list them and leave them out", "error", "skip")
}

// Optimiser is AdamW's settings.
type Optimiser struct {
	Optim                     string
	LearningRate              float64 // at its peak
	EmbeddingLearningRate     float64 // of lookup tables, at its peak; 0 = LearningRate
	WeightDecay               float64 // not on norms and biases
	AdamBeta1                 float64
	AdamBeta2                 float64
	AdamEpsilon               float64
	MaxGradNorm               float64 // 0 = no clipping
	DropoutRate               float64 // FiD's: of activations, in training
	PerDeviceTrainBatchSize   int     // rows of a micro-batch
	GradientAccumulationSteps int     // micro-batches of a step
	GradientCheckpointing     bool    // recompute activations in the backward pass
}

// DefaultOptimiser has LocalRQA's learning rate and decay, else
// TrainingArguments' defaults.
func DefaultOptimiser() Optimiser {
	return Optimiser{
		Optim: "adamw_torch", LearningRate: 1e-5, WeightDecay: 0.01,
		AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8, MaxGradNorm: 1,
		PerDeviceTrainBatchSize: 8, GradientAccumulationSteps: 1,
	}
}

// adamW are transformers' names of AdamW with moments in 32 bits.
var adamW = []string{"adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_torch_npu_fused", "adamw_apex_fused", "adamw_hf", "paged_adamw_32bit"}

// RowsPerStep is how many rows one step of the optimiser sees.
func (m *Optimiser) RowsPerStep() int {
	return m.PerDeviceTrainBatchSize * m.GradientAccumulationSteps
}

// TableRate is what the learning rate is multiplied with for lookup tables.
func (m *Optimiser) TableRate() float64 {
	if m.EmbeddingLearningRate == 0 {
		return 1
	}
	return m.EmbeddingLearningRate / m.LearningRate
}

func (m *Optimiser) declare(s *set, recipe string) {
	s.section("Optimiser")
	s.integer(&m.PerDeviceTrainBatchSize, "per_device_train_batch_size", "rows of one forward and backward pass")
	s.integer(&m.GradientAccumulationSteps, "gradient_accumulation_steps", "passes whose gradients make one step; the loss is per label token of the whole step")
	s.number(&m.LearningRate, "learning_rate", "learning rate at its peak")
	s.number(&m.EmbeddingLearningRate, "embedding_learning_rate", "the same for token embeddings and T5's biases of relative positions; 0 for learning_rate. A model of random weights learns far sooner with some ten times as much")
	s.number(&m.WeightDecay, "weight_decay", "decay of the matrices; norms and biases have none")
	s.number(&m.AdamBeta1, "adam_beta1", "AdamW's decay of the first moment")
	s.number(&m.AdamBeta2, "adam_beta2", "AdamW's decay of the second moment")
	s.number(&m.AdamEpsilon, "adam_epsilon", "AdamW's epsilon")
	s.number(&m.MaxGradNorm, "max_grad_norm", "clip the gradient to this norm; 0 for no clipping")
	if recipe == FiD || recipe == "" {
		s.number(&m.DropoutRate, "dropout_rate", "part of the activations that training drops, where transformers' T5 does, from 0 to below 1; the model's config.json is not asked")
	}
	s.choice(&m.Optim, "optim", "optimiser; the names that transformers has for AdamW mean the same one", adamW...).metavar = "NAME"
	s.boolean(&m.GradientCheckpointing, "gradient_checkpointing", "compute activations again in the backward pass: less memory, more time")
	s.alias("gradient_checkpointing", "activation_checkpointing")
	s.alias("per_device_train_batch_size", "per_gpu_train_batch_size")
}

func (m *Optimiser) check(p *problems) {
	p.between(m.PerDeviceTrainBatchSize, 1, MostRows, "per_device_train_batch_size")
	p.between(m.GradientAccumulationSteps, 1, MostRows, "gradient_accumulation_steps")
	if rows := m.RowsPerStep(); m.PerDeviceTrainBatchSize <= MostRows && m.GradientAccumulationSteps <= MostRows {
		p.that(rows <= math.MaxInt32, "per_device_train_batch_size times gradient_accumulation_steps: %d rows of a step found; expected at most %d", rows, math.MaxInt32)
	}
	p.single(m.LearningRate, "learning_rate")
	p.single(m.EmbeddingLearningRate, "embedding_learning_rate")
	p.single(m.WeightDecay, "weight_decay")
	p.single(m.AdamEpsilon, "adam_epsilon")
	p.single(m.MaxGradNorm, "max_grad_norm")
	if m.LearningRate > 0 && m.EmbeddingLearningRate <= math.MaxFloat32 {
		p.single(m.TableRate(), "embedding_learning_rate over learning_rate")
	}
	p.that(m.LearningRate >= 0, "learning_rate: %v found; 0 or more expected", m.LearningRate)
	p.that(m.EmbeddingLearningRate >= 0, "embedding_learning_rate: %v found; 0 (learning_rate) or more expected", m.EmbeddingLearningRate)
	p.that(m.EmbeddingLearningRate == 0 || m.LearningRate > 0, "embedding_learning_rate: %v found with learning_rate 0; expected none, or a learning_rate above 0", m.EmbeddingLearningRate)
	p.that(m.WeightDecay >= 0, "weight_decay: %v found; 0 or more expected", m.WeightDecay)
	p.that(m.AdamBeta1 >= 0 && m.AdamBeta1 < 1, "adam_beta1: %v found; at least 0 and less than 1 expected", m.AdamBeta1)
	p.that(m.AdamBeta2 >= 0 && m.AdamBeta2 < 1, "adam_beta2: %v found; at least 0 and less than 1 expected", m.AdamBeta2)
	p.that(m.AdamEpsilon > 0, "adam_epsilon: %v found; more than 0 expected", m.AdamEpsilon)
	p.that(m.DropoutRate >= 0 && m.DropoutRate < 1, "dropout_rate: %v found; at least 0 and less than 1 expected", m.DropoutRate)
	p.that(m.MaxGradNorm >= 0, "max_grad_norm: %v found; 0 (no clipping) or more expected", m.MaxGradNorm)
}

// Strategies of saving and evaluating.
const (
	No    = "no"
	Steps = "steps"
	Epoch = "epoch"
)

// Schedule says how long to train and how the learning rate goes.
type Schedule struct {
	DoTrain           bool
	NumTrainEpochs    float64
	MaxSteps          int // -1 = as the epochs say
	LRSchedulerType   string
	LRSchedulerKwargs string  // a JSON object of what the type takes beside; "" = nothing
	WarmupRatio       float64 // of all steps, where WarmupSteps is 0
	WarmupSteps       float64 // below 1: of all steps
	Seed              int64
	DataSeed          *int64 // order of the rows; nil = Seed
}

// DefaultSchedule is LocalRQA's: 7 epochs, cosine, a tenth of warm-up.
func DefaultSchedule() Schedule {
	return Schedule{DoTrain: true, NumTrainEpochs: 7, MaxSteps: -1, LRSchedulerType: "cosine", WarmupRatio: 0.1, Seed: 42}
}

// TotalSteps is the steps of a run whose epochs have stepsPerEpoch steps.
func (m *Schedule) TotalSteps(stepsPerEpoch int) int {
	if m.MaxSteps > 0 {
		return m.MaxSteps
	}
	return int(math.Ceil(m.NumTrainEpochs * float64(stepsPerEpoch)))
}

// Warmup is the steps of warm-up of a run of total steps.
func (m *Schedule) Warmup(total int) int {
	switch {
	case m.WarmupSteps >= 1:
		return int(m.WarmupSteps)
	case m.WarmupSteps > 0:
		return int(math.Ceil(m.WarmupSteps * float64(total)))
	}
	return int(math.Ceil(m.WarmupRatio * float64(total)))
}

func (m *Schedule) declare(s *set) {
	s.section("Schedule")
	s.boolean(&m.DoTrain, "do_train", "train; false only evaluates")
	s.number(&m.NumTrainEpochs, "num_train_epochs", "times to go over the rows; may be a fraction")
	s.integer(&m.MaxSteps, "max_steps", "steps to train, whatever the epochs say; -1 for the epochs")
	s.text(&m.LRSchedulerType, "lr_scheduler_type", "NAME", "how the learning rate goes, as in transformers: "+strings.Join(schedule.Kinds(), ", ")).assign = func(v string) error {
		if err := schedule.Known(v); err != nil {
			return err
		}
		m.LRSchedulerType = v
		return nil
	}
	s.object(&m.LRSchedulerKwargs, "lr_scheduler_kwargs", "what lr_scheduler_type takes beside, as in transformers: '{\"num_cycles\": 3}' with cosine_with_restarts")
	s.number(&m.WarmupRatio, "warmup_ratio", "part of all steps in which the learning rate rises to its peak")
	s.number(&m.WarmupSteps, "warmup_steps", "the same in steps, or as a part if below 1; wins over warmup_ratio unless 0")
	s.seed(&m.Seed, "seed", "seed of everything random")
	s.maybeSeed(&m.DataSeed, "data_seed", "seed of the order of the rows; seed if not given")
}

func (m *Schedule) check(p *problems, peak float64) {
	before := len(p.found)
	p.that(m.NumTrainEpochs > 0, "num_train_epochs: %v found; more than 0 expected", m.NumTrainEpochs)
	p.that(m.NumTrainEpochs <= MostRows, "num_train_epochs: %v found; expected at most %d", m.NumTrainEpochs, MostRows)
	p.that(m.MaxSteps == -1 || m.MaxSteps > 0, "max_steps: %d found; -1 or more than 0 expected", m.MaxSteps)
	p.that(m.MaxSteps <= math.MaxInt32, "max_steps: %d found; expected at most %d", m.MaxSteps, math.MaxInt32)
	p.that(m.WarmupRatio >= 0 && m.WarmupRatio <= 1, "warmup_ratio: %v found; 0 to 1 expected", m.WarmupRatio)
	p.wholeOrPart(m.WarmupSteps, true, "warmup_steps")
	if err := m.Rates(peak, 1).Validate(); err != nil && len(p.found) == before {
		p.found = append(p.found, err)
	}
}

// Rates is the learning rate of a run of total steps that rises to peak.
func (m *Schedule) Rates(peak float64, total int) schedule.Schedule {
	return schedule.Schedule{Kind: m.LRSchedulerType, Peak: peak, Warmup: m.Warmup(total), Steps: total, Args: m.LRSchedulerKwargs}
}

// Saving is where a run is kept, and when it is evaluated and saved.
type Saving struct {
	OutputDir            string
	OverwriteOutputDir   bool
	ResumeFromCheckpoint string // "", "true" (the last in OutputDir) or a folder

	DoEval       bool
	EvalStrategy string  // No, Steps or Epoch
	EvalSteps    float64 // below 1: of all steps
	EvalOnStart  bool
	TestOnStart  bool // score the untouched model on the test set

	SaveStrategy       string  // No, Steps or Epoch
	SaveSteps          float64 // below 1: of all steps
	SaveTotalLimit     int     // 0 = keep all
	LoadBestModelAtEnd *bool   // nil = where every checkpoint is evaluated
	MetricForBestModel string  // a key of the evaluation, "eval_" first
	GreaterIsBetter    *bool   // nil = by the metric; see HigherWins
}

// DefaultSaving is LocalRQA's.
func DefaultSaving() Saving {
	return Saving{
		DoEval: true, EvalStrategy: Steps, EvalSteps: 100,
		SaveStrategy: Steps, SaveSteps: 100, SaveTotalLimit: 1,
		MetricForBestModel: "eval_loss",
	}
}

// HigherWins says whether a higher MetricForBestModel is better: as
// GreaterIsBetter, else for all metrics but losses and latencies.
func (m *Saving) HigherWins() bool {
	if m.GreaterIsBetter != nil {
		return *m.GreaterIsBetter
	}
	return !strings.HasSuffix(m.MetricForBestModel, "loss") && !strings.Contains(m.MetricForBestModel, "latency")
}

// BestMetric is MetricForBestModel with the "eval_" that may be left out.
func (m *Saving) BestMetric() string {
	if strings.HasPrefix(m.MetricForBestModel, "eval_") {
		return m.MetricForBestModel
	}
	return "eval_" + m.MetricForBestModel
}

// Resume says which checkpoint to go on from: none, the last one of
// OutputDir, or the one in folder.
func (m *Saving) Resume() (folder string, last bool) {
	if b, ok := parseBool(m.ResumeFromCheckpoint); ok {
		return "", b
	}
	return m.ResumeFromCheckpoint, false
}

// Every turns a number of steps that may be a part of all steps (below 1)
// into steps.
func Every(steps float64, total int) int {
	if steps < 1 {
		return max(1, int(math.Ceil(steps*float64(total))))
	}
	return int(steps)
}

func (m *Saving) declare(s *set) {
	s.section("Output, evaluation and checkpoints during training")
	s.text(&m.OutputDir, "output_dir", "DIR", "folder of the trained model, the checkpoints and all reports (required)")
	s.boolean(&m.OverwriteOutputDir, "overwrite_output_dir", "start anew in a folder that holds a run or a model; with resume_from_checkpoint DIR, replace the checkpoints that came after it")
	s.text(&m.ResumeFromCheckpoint, "resume_from_checkpoint", "[DIR]", "go on from this checkpoint, or from the last one of output_dir").kind = optional
	s.boolean(&m.DoEval, "do_eval", "evaluate on eval_file")
	s.choice(&m.EvalStrategy, "eval_strategy", "when to evaluate", No, Steps, Epoch)
	s.number(&m.EvalSteps, "eval_steps", "steps from one evaluation to the next; below 1, a part of all steps")
	s.boolean(&m.EvalOnStart, "eval_on_start", "evaluate before the first step too")
	s.boolean(&m.TestOnStart, "test_on_start", "score test_file before the first step too, for a table of before and after")
	s.choice(&m.SaveStrategy, "save_strategy", "when to save a checkpoint", No, Steps, Epoch)
	s.number(&m.SaveSteps, "save_steps", "steps from one checkpoint to the next; below 1, a part of all steps")
	s.integer(&m.SaveTotalLimit, "save_total_limit", "checkpoints to keep, the best one besides; 0 for all")
	s.maybe(&m.LoadBestModelAtEnd, "load_best_model_at_end", "hand over the best checkpoint's model, not the last one's; by default yes where every checkpoint is evaluated")
	s.text(&m.MetricForBestModel, "metric_for_best_model", "KEY", "what is compared: eval_loss or any other key of the evaluation")
	s.maybe(&m.GreaterIsBetter, "greater_is_better", "whether more of it is better; by default yes but for losses and latencies")
	s.alias("eval_strategy", "evaluation_strategy")
}

func (m *Saving) check(p *problems) {
	p.needed(m.OutputDir, "output_dir", "a folder for what the run makes")
	p.wholeOrPart(m.EvalSteps, false, "eval_steps")
	p.wholeOrPart(m.SaveSteps, false, "save_steps")
	p.between(m.SaveTotalLimit, 0, math.MaxInt32, "save_total_limit")
	_, last := m.Resume()
	p.that(!m.OverwriteOutputDir || !last, "overwrite_output_dir: found together with resume_from_checkpoint true; one of them expected")
	if m.LoadBestModelAtEnd != nil && *m.LoadBestModelAtEnd && m.DoEval { // without evaluation there is no best
		p.needed(m.MetricForBestModel, "metric_for_best_model", "eval_loss or another key of the evaluation")
		found, expected := m.unscored()
		p.that(found == "", "load_best_model_at_end: found with %s; %s expected, or load_best_model_at_end false", found, expected)
	}
}

// unscored says why checkpoints may have no score to choose the best one by, and
// what is expected for that; "" where all have one.
func (m *Saving) unscored() (found, expected string) {
	switch {
	case m.EvalStrategy == No || m.SaveStrategy == No:
		return fmt.Sprintf("eval_strategy %s and save_strategy %s", m.EvalStrategy, m.SaveStrategy), "both other than no"
	case m.EvalStrategy != m.SaveStrategy:
		return fmt.Sprintf("eval_strategy %s and save_strategy %s", m.EvalStrategy, m.SaveStrategy), "the same, so that what is saved was evaluated,"
	case m.EvalStrategy == Steps && m.EvalSteps > 0 && m.SaveSteps > 0:
		ratio := m.SaveSteps / m.EvalSteps
		if (m.SaveSteps < 1) != (m.EvalSteps < 1) || math.Abs(ratio-math.Round(ratio)) >= 1e-9 || ratio < 0.5 {
			return fmt.Sprintf("save_steps %v and eval_steps %v", m.SaveSteps, m.EvalSteps), "a multiple of eval_steps, so that what is saved was evaluated,"
		}
	}
	return "", ""
}

// loadsBest says whether the best of the checkpoints is handed over, where the
// run evaluates.
func (m *Saving) loadsBest() bool {
	if m.LoadBestModelAtEnd != nil {
		return *m.LoadBestModelAtEnd
	}
	found, _ := m.unscored()
	return found == "" && m.MetricForBestModel != ""
}

func (m *Saving) notices() []string {
	if found, _ := m.unscored(); m.LoadBestModelAtEnd == nil && m.DoEval && found != "" {
		return []string{fmt.Sprintf("load_best_model_at_end: off, since %s leave checkpoints without a score; the model of the last step is handed over", found)}
	}
	return nil
}

// Logging says what a run shows.
type Logging struct {
	LoggingSteps float64  // below 1: of all steps
	ReportTo     []string // "none", "tensorboard" or "all"
	DisableTqdm  bool     // no progress bars
}

// DefaultLogging logs every 10 steps, as LocalRQA.
func DefaultLogging() Logging { return Logging{LoggingSteps: 10, ReportTo: []string{"none"}} }

// TensorBoard says whether event files are wanted.
func (m *Logging) TensorBoard() bool {
	return slices.Contains(m.ReportTo, "tensorboard") || slices.Contains(m.ReportTo, "all")
}

func (m *Logging) declare(s *set) {
	s.section("Logging")
	s.number(&m.LoggingSteps, "logging_steps", "steps from one line of the log to the next; below 1, a part of all steps")
	s.list(&m.ReportTo, "report_to", "none|tensorboard", "what to write besides metrics.jsonl, train.log and report.html")
	s.boolean(&m.DisableTqdm, "disable_tqdm", "plain lines instead of progress bars, as in a pipe")
}

func (m *Logging) check(p *problems) { p.wholeOrPart(m.LoggingSteps, false, "logging_steps") }

func (m *Logging) notices() []string {
	var said []string
	for _, to := range m.ReportTo {
		if !slices.Contains([]string{"none", "tensorboard", "all"}, to) {
			said = append(said, fmt.Sprintf("report_to: gorqa sends nothing to %s; metrics.jsonl holds every figure, --report_to tensorboard writes event files (ignored)", to))
		}
	}
	return said
}

// problems gathers what Validate finds.
type problems struct {
	found   []error
	partial bool // settings may be missing
}

func (p *problems) that(ok bool, format string, args ...any) {
	if !ok {
		p.found = append(p.found, fmt.Errorf(format, args...))
	}
}

func (p *problems) needed(value, name, what string) {
	p.that(p.partial || strings.TrimSpace(value) != "", "%s: missing; expected: %s (--%s)", name, what, name)
}

// local reports models that LocalRQA would ask over the network.
func (p *problems) local(model, name string) {
	_, missing := os.Stat(model)
	openAI := slices.ContainsFunc([]string{"gpt-3", "gpt-4", "gpt-5", "text-embedding-"}, func(begin string) bool { return strings.HasPrefix(model, begin) })
	p.that(missing == nil || !openAI || strings.Contains(model, "/"), "%s: %q found, a model behind OpenAI's endpoint; a model that gorqa computes expected: a folder, a .gguf file or a hub id", name, model)
	framework, url, found := strings.Cut(model, "::")
	p.that(!found || !strings.HasPrefix(url, "http"), "%s: %q found, a model behind a server of %s; a model that gorqa computes expected: a folder, a .gguf file or a hub id", name, model, framework)
}

func (p *problems) atLeast(value, least int, name string) {
	p.that(value >= least, "%s: %d found; %d or more expected", name, value, least)
}

// Bounds of what settings may ask for, far beyond what any machine has, so that
// products of them stay numbers.
const (
	MostRows   = 1 << 20 // of a batch, passes of a step, passages of a row
	MostTokens = 1 << 24 // of a row, an answer
)

func (p *problems) between(value, least, most int, name string) {
	p.atLeast(value, least, name)
	p.that(value <= most, "%s: %d found; expected at most %d", name, value, most)
}

// single looks whether a number is one that a computation in float32 can take.
func (p *problems) single(value float64, name string) {
	p.that(math.Abs(value) <= math.MaxFloat32 && (value == 0 || math.Abs(value) >= 0x1p-126), "%s: %v found; expected a number that float32 can hold", name, value)
}

func (p *problems) wholeOrPart(value float64, zero bool, name string) {
	ok := value > 0 && (value < 1 || value == math.Trunc(value)) && value < math.MaxInt32
	p.that(ok || zero && value == 0, "%s: %v found; a whole number of steps, or a part of all steps between 0 and 1, expected", name, value)
}

// differ reports two of the named paths that are one file.
func (p *problems) differ(named ...[2]string) {
	for i, a := range named {
		for _, b := range named[:i] {
			same := a[1] != "" && b[1] != "" && filepath.Clean(a[1]) == filepath.Clean(b[1])
			p.that(!same, "%s: %q found, which is %s too; another file expected", a[0], a[1], b[0])
		}
	}
}

func (p *problems) join() error { return errors.Join(p.found...) }
