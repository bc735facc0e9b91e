package config

import "time"

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

	// BlockAttention says whether passages are blocks, nil for as the model was trained; for
	// decoders.
	BlockAttention *bool

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

// InBlocks says whether passages are asked to be blocks.
func (m *Prompt) InBlocks() bool { return m.BlockAttention != nil && *m.BlockAttention }

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
	blocks := s.maybe(&m.BlockAttention, "block_attention", "read each passage apart from the others, behind what all prompts begin with, and the question behind all (Block-Attention): a passage that was read before is not computed again; decoders on the processor only (if not given, as the model was trained; false reads a model that was trained so with full attention)")
	blocks.hidden = recipe == FiD // which says why not
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
