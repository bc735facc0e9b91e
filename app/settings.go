package app

import (
	"gorqa/config"
	"gorqa/qa"
)

// What of the settings package qa is told, in its own options.

func promptOptions(c config.Prompt) qa.PromptOptions {
	day, _ := c.Date() // the settings were checked
	o := qa.PromptOptions{
		Blocks: c.BlockAttention, Date: day, UserPrefix: c.UserPrefix, AssistantPrefix: c.AssistantPrefix, SepUser: c.SepUser, SepSys: c.SepSys,
		MaxTokens: c.MaxSeqLength, MaxPassageTokens: c.MaxEncoderSeqLength, MaxAnswerTokens: c.MaxDecoderSeqLength,
	}
	switch c.PromptTemplate {
	case config.AutoTemplate:
		o.Wording = qa.AutoWording
	case config.DefaultTemplate:
		o.Wording = qa.GorqaWording
	case config.ChatTemplate:
		o.Wording = qa.ChatWording
	case config.LocalRQATemplate:
		o.Wording = qa.LocalRQAWording
	default:
		o.Wording, o.File = qa.FileWording, c.PromptTemplate
	}
	return o
}

func generationOptions(c config.Generation, rows int, seed int64) qa.GenerationOptions {
	return qa.GenerationOptions{
		MaxNewTokens: c.EvalMaxNewTokens, BatchSize: rows, Sample: c.DoSample, Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: seed, Beams: c.NumBeams, Drafts: c.PromptLookupNumTokens,
	}
}

func modelNamed(m config.Model) qa.Named {
	return qa.Named{Model: m.ModelNameOrPath, Revision: m.ModelRevision, Adapter: m.AdapterNameOrPath, Bits: m.QuantBits()}
}

// nameOf is a model's name with its revision, for what depends on it.
func nameOf(m config.Model) string { return m.ModelNameOrPath + " " + m.ModelRevision }

// adapterOptions is nil where the whole model is trained.
func adapterOptions(c config.LoRA) *qa.AdapterOptions {
	if !c.UsePEFT {
		return nil
	}
	return &qa.AdapterOptions{Rank: c.LoraR, Alpha: c.LoraAlpha, Dropout: c.LoraDropout, RSLoRA: c.UseRSLoRA, Targets: c.LoraTargetModules}
}

// kindOf is the kind of models that a recipe trains.
func kindOf(recipe string) qa.Kind {
	switch recipe {
	case config.SFT, config.SwR:
		return qa.DecoderOnly
	case config.FiD:
		return qa.EncoderDecoder
	}
	return qa.AnyKind
}

func followUpMode(history string) qa.FollowUpMode {
	switch history {
	case config.Concat:
		return qa.ConcatFollowUps
	case config.Rephrase:
		return qa.RephraseFollowUps
	}
	return qa.BareFollowUps
}

func passagesOptions(c config.Passages, b config.Database) qa.PassagesOptions {
	o := qa.PassagesOptions{Endpoint: c.EmbeddingModel, Similarity: similarity(b.Similarity), Index: b.FullDatasetIndexPath, RerankTop: b.RerankTop, Table: b.IndexTable, HNSW: b.IndexType == config.HNSWIndex}
	switch c.Retriever {
	case config.BM25:
		o.Kind = qa.WordsRetriever
	case config.Hybrid:
		o.Kind = qa.HybridRetriever
	case config.OpenAI:
		o.Kind = qa.EndpointRetriever
	}
	return o
}

// similarity is "" for what the embedding model says.
func similarity(name string) string {
	if name == config.AutoSimilarity {
		return ""
	}
	return name
}

// onHost says whether the backend computes in the host's memory.
func onHost(c config.Engine) bool {
	return c.Backend == "" || c.Backend == config.DefaultEngine().Backend
}

func memoryOptions(c config.Train, bf16 bool) qa.MemoryOptions {
	return qa.MemoryOptions{
		BF16: bf16, OnHost: onHost(c.Engine), Trained: c.DoTrain, EightBit: c.EightBit(), Prompt: promptOptions(c.Prompt), Passages: max(c.EmbeddingMaxNumToRetrieve+1, c.EvalK),
		TrainRows: c.PerDeviceTrainBatchSize, EvalRows: c.PerDeviceEvalBatchSize, MaxNewTokens: c.EvalMaxNewTokens, Blocks: blockBytes(c.KVCache),
	}
}

// blockBytes is what passages in blocks may take in memory.
func blockBytes(c config.KVCache) int64 { return int64(c.KVCacheGB * 1e9) }
