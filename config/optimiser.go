package config

import (
	"math"
	"slices"
)

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

// adamW8 are its names of AdamW with moments in 8 bits.
var adamW8 = []string{"adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"}

// EightBit says whether the moments are in 8 bits.
func (m *Optimiser) EightBit() bool { return slices.Contains(adamW8, m.Optim) }

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
	s.choice(&m.Optim, "optim", "optimiser; the names that transformers has for AdamW mean the same one, and those with 8bit have its moments in 8 bits, on the CPU; nothing is paged", slices.Concat(adamW, adamW8)...).metavar = "NAME"
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
