package app

import (
	"gorqa/config"
)

// What of the settings package qa is told, in its own options.

func promptOptions(c config.Prompt) PromptOptions {
	day, _ := c.Date() // the settings were checked
	o := PromptOptions{
		Date: day, UserPrefix: c.UserPrefix, AssistantPrefix: c.AssistantPrefix, SepUser: c.SepUser, SepSys: c.SepSys,
		MaxTokens: c.MaxSeqLength, MaxPassageTokens: c.MaxEncoderSeqLength, MaxAnswerTokens: c.MaxDecoderSeqLength,
	}
	switch c.PromptTemplate {
	case config.AutoTemplate:
		o.Wording = AutoWording
	case config.DefaultTemplate:
		o.Wording = GorqaWording
	case config.ChatTemplate:
		o.Wording = ChatWording
	case config.LocalRQATemplate:
		o.Wording = LocalRQAWording
	default:
		o.Wording, o.File = FileWording, c.PromptTemplate
	}
	return o
}

func generationOptions(c config.Generation, rows int, seed int64) GenerationOptions {
	return GenerationOptions{
		MaxNewTokens: c.EvalMaxNewTokens, BatchSize: rows, Sample: c.DoSample, Temperature: c.Temperature, TopP: c.TopP, TopK: c.TopK, Seed: seed, Beams: c.NumBeams,
	}
}

func modelNamed(m config.Model) Named {
	return Named{Model: m.ModelNameOrPath, Revision: m.ModelRevision, Adapter: m.AdapterNameOrPath, Bits: m.QuantBits()}
}

// nameOf is a model's name with its revision, for what depends on it.
func nameOf(m config.Model) string { return m.ModelNameOrPath + " " + m.ModelRevision }

// adapterOptions is nil where the whole model is trained.
func adapterOptions(c config.LoRA) *AdapterOptions {
	if !c.UsePEFT {
		return nil
	}
	return &AdapterOptions{Rank: c.LoraR, Alpha: c.LoraAlpha, Dropout: c.LoraDropout, RSLoRA: c.UseRSLoRA, Targets: c.LoraTargetModules}
}

// kindOf is the kind of models that a recipe trains.
func kindOf(recipe string) Kind {
	switch recipe {
	case config.SFT, config.SwR:
		return DecoderOnly
	case config.FiD:
		return EncoderDecoder
	}
	return AnyKind
}

func followUpMode(history string) FollowUpMode {
	switch history {
	case config.Concat:
		return ConcatFollowUps
	case config.Rephrase:
		return RephraseFollowUps
	}
	return BareFollowUps
}

func passagesOptions(c config.Passages, b config.Database) PassagesOptions {
	o := PassagesOptions{Endpoint: c.EmbeddingModel, Similarity: similarity(b.Similarity), Index: b.FullDatasetIndexPath}
	switch c.Retriever {
	case config.BM25:
		o.Kind = WordsRetriever
	case config.Hybrid:
		o.Kind = HybridRetriever
	case config.OpenAI:
		o.Kind = EndpointRetriever
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
