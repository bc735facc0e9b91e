package qa

import (
	"errors"
	"strings"
	"testing"

	"gorqa/files/wheel"
	"gorqa/internal/enginetest"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/questions"
	"gorqa/text/questions/reply"
)

// SmolLM2 turns statements into questions, several at a time as one alone, and does tasks
// with passages; what does not fit is that request's failure, and what it is told ends it.
func TestWriterOfASmallModel(t *testing.T) {
	ctx := t.Context()
	folder, err := wheel.Model(ctx, "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := Open(ctx, Device{Engine: enginetest.Open(t)}, Origin{Base: folder}, AnyKind, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Loaded().Params.Free() })
	show, err := report.Open("", report.Options{Console: &strings.Builder{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.UsePrompt(PromptOptions{MaxTokens: 1024}, show); err != nil {
		t.Fatal(err)
	}
	begin := func(statement string) string {
		return "Statement: The Model 3 kettle holds 1.7 litres.\nQuestion: How much does the Model 3 kettle hold?\n\nStatement: " + statement + "\nQuestion:"
	}
	requests := []questions.Request{
		{Begin: begin("The reading room opens at nine on weekdays.")},
		{Begin: strings.Repeat("too long ", 2000)},
		{Begin: begin("A tyre that is pumped up too hard wears out in the middle.")},
		{System: "You write questions.", Task: "Write one question that the passage answers.", Passages: []dataset.Document{{Content: "The reading room opens at nine."}}},
	}
	o := GenerationOptions{MaxNewTokens: 24, BatchSize: 2}
	got, err := questions.Ask(ctx, NewWriter(g, "m", o), requests, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2} {
		question, err := reply.Question(got[i].Text)
		if err != nil || got[i].Tokens < 3 || got[i].PromptTokens < 30 {
			t.Errorf("%q, %v: %+v", question, err, got[i])
		}
	}
	if got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "tokens") || got[1].Text != "" {
		t.Errorf("a prompt that does not fit: %+v", got[1])
	}
	if got[3].Err != nil || got[3].Text == "" || got[3].PromptTokens < 30 {
		t.Errorf("a task: %+v", got[3])
	}
	o.BatchSize = 1
	alone, err := questions.Ask(ctx, NewWriter(g, "m", o), requests[2:3], nil)
	if err != nil || alone[0].Text != got[2].Text {
		t.Errorf("%v: alone it writes %q, beside others %q", err, alone[0].Text, got[2].Text)
	}
	full := errors.New("the disk is full")
	if err := NewWriter(g, "m", o).Write(ctx, requests[:1], func(int, questions.Reply) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v; want %v", err, full)
	}
}
