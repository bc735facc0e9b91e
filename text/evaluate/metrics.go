package evaluate

import (
	"maps"
	"slices"
	"strings"
)

// Metric names what a row is scored by, as predictions files have it.
type Metric string

// The metrics of a row. Likely ones take a passage for the gold one where it holds most
// of its words; see Run.
const (
	Accuracy      Metric = "accuracy"
	LikelyCorrect Metric = "likely_accuracy"
	Recall1       Metric = "recall1"
	Recall4       Metric = "recall4"
	LikelyRecall1 Metric = "likely_recall1"
	LikelyRecall4 Metric = "likely_recall4"
	LikelyRecall  Metric = "likely_recall"
	NDCG          Metric = "ndcg"
	MRR           Metric = "mrr"

	AnswerF1         Metric = "f1_ans"
	AnswerExactMatch Metric = "exact_match_ans"
	BrevityPenalty   Metric = "brevity_pen_ans"
	Words            Metric = "num_words"
	Abstention       Metric = "abstention_accuracy" // 1 where an answer abstains from an unanswerable question, or answers another
	Judged           Metric = "gpt4eval_acc"        // 1 where the judge found the answer right, 0 where wrong
)

// texts are the metrics of an answer against another text.
type texts struct{ f1, precision, rouge1, rouge2, rougeL, bleu Metric }

var (
	toAnswer  = texts{AnswerF1, "precision_ans", "rouge1_ans", "rouge2_ans", "rougeL_ans", "bleu_ans"}
	toPassage = texts{"f1_retr_doc", "precision_retr_doc", "rouge1_retr_doc", "rouge2_retr_doc", "rougeL_retr_doc", "bleu_retr_doc"}
)

// Scores are a row's. Files of others may have more than the metrics known here.
type Scores map[Metric]float64

// listed is a metric with its family, the middle part of its key.
type listed struct {
	family string
	metric Metric
}

// The metrics in the order of tables.
var (
	retrievalMetrics = []listed{
		{"document_recall", Recall1}, {"document_recall", Recall4},
		{"document_recall", LikelyRecall1}, {"document_recall", LikelyRecall4}, {"document_recall", LikelyRecall},
		{"document_accuracy", Accuracy}, {"document_accuracy", LikelyCorrect},
		{"document_ndcg", NDCG}, {"document_mrr", MRR},
	}
	answerMetrics = []listed{
		{"f1", toAnswer.f1}, {"precision", toAnswer.precision}, {"exact_match", AnswerExactMatch},
		{"rouge", toAnswer.rouge1}, {"rouge", toAnswer.rouge2}, {"rouge", toAnswer.rougeL},
		{"bleu", toAnswer.bleu}, {"bleu", BrevityPenalty},
		{"f1", toPassage.f1}, {"precision", toPassage.precision},
		{"rouge", toPassage.rouge1}, {"rouge", toPassage.rouge2}, {"rouge", toPassage.rougeL},
		{"bleu", toPassage.bleu},
		{"answer_stats", Words},
	}
	abstentionMetric = listed{"abstention", Abstention}
	judgeMetric      = listed{"gpt4eval", Judged}
)

// name is the metric's in a Key: of its mean over the rows, which LocalRQA's keys say
// of answers alone.
func (l listed) name() Name {
	mean := "/avg_"
	if strings.HasPrefix(l.family, "document_") || l == judgeMetric {
		mean = "/"
	}
	return Name(l.family + mean + string(l.metric))
}

// ofPassages says whether the metric needs passages to answer from.
func (l listed) ofPassages() bool { return strings.HasSuffix(string(l.metric), "_retr_doc") }

// Group is what of an evaluation a figure is of.
type Group string

// The groups. Answers in another context than Retrieved have one of their own.
const (
	Retrieval Group = "retr"
	Answers   Group = "gen"
	EndToEnd  Group = "e2e"
	Rows      Group = "rows"
	Whole     Group = "" // of the file
)

// Name says what a figure is, its family in front.
type Name string

// The figures beside the means of the rows' metrics.
const (
	Loss         Name = "loss"
	LeftOut      Name = "left_out"
	TotalWords   Name = "answer_stats/total_num_words"
	MeanLatency  Name = "latency/avg_latency"
	TotalLatency Name = "latency/total_latency"
	JudgedRows   Name = "gpt4eval/judged"
	FailedRows   Name = "gpt4eval/failed"

	AbstentionPrecision Name = "abstention/precision"
	AbstentionRecall    Name = "abstention/recall"
	UnanswerableRows    Name = "abstention/unanswerable"
	AbstainedRows       Name = "abstention/abstained"

	TokensPerStep Name = "drafts/avg_tokens_per_step" // of answers with drafts
	Acceptance    Name = "drafts/avg_acceptance"      // of drafted tokens

	IndexRecall Name = "index/recall_of_exact" // of an index that may miss some of what an exact search finds
)

// Key is a figure of an evaluation.
type Key struct {
	Prefix string // Options.Prefix
	Group
	Name
}

// String is LocalRQA's name of it, as in "eval_gen/f1/avg_f1_ans".
func (k Key) String() string {
	if k.Group == Whole {
		return k.Prefix + "_" + string(k.Name)
	}
	return k.Prefix + "_" + string(k.Group) + "/" + string(k.Name)
}

// MarshalText writes it so in JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Figures are what an evaluation found.
type Figures map[Key]float64

// ByName has them under the Strings of their keys, as files and settings have them.
func (f Figures) ByName() map[string]float64 {
	named := make(map[string]float64, len(f))
	for k, v := range f {
		named[k.String()] = v
	}
	return named
}

// Keys are those of the figures that Run gives for examples with gold passages,
// without a judge.
func Keys(prefix string, contexts []Context) []string {
	figures := Figures{}
	add := func(g Group, names ...Name) {
		for _, name := range names {
			figures[Key{prefix, g, name}] = 0
		}
	}
	for _, c := range contexts {
		group := c.group()
		for _, l := range answerMetrics {
			if c != None || !l.ofPassages() {
				add(group, l.name())
			}
		}
		add(group, TotalWords, MeanLatency, TotalLatency)
		if c == Retrieved {
			for _, l := range retrievalMetrics {
				add(Retrieval, l.name())
			}
			add(Retrieval, MeanLatency, TotalLatency)
			add(EndToEnd, MeanLatency, TotalLatency)
		}
	}
	return slices.Sorted(maps.Keys(figures.ByName()))
}
