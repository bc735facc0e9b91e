package config

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every name that transformers' TrainingArguments has is known here: taken,
// refused or ignored.
func TestTrainingArgumentsAreKnown(t *testing.T) {
	data, err := os.ReadFile("testdata/training_arguments.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Transformers string
		Defaults     map[string]any
		Had          map[string][2]string // names of other versions: the first and the last that had it
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	c := DefaultTrain("sft")
	set := newSet(&c)
	// Where LocalRQA or gorqa has another default, it stands here.
	ours := map[string]any{
		"learning_rate": 1e-5, "weight_decay": 0.01, "num_train_epochs": 7.0, "lr_scheduler_type": "cosine",
		"logging_steps": 10.0, "eval_strategy": "steps", "eval_steps": 100.0, "save_steps": 100.0, "save_total_limit": 1.0,
		"load_best_model_at_end": nil, "metric_for_best_model": "eval_loss", "do_train": true, "do_eval": true,
		"bf16": true, "optim": "adamw_torch", "report_to": []any{"none"},
		"output_dir": "", "resume_from_checkpoint": "", "gradient_checkpointing": false, "activation_checkpointing": false, "disable_tqdm": false, "hub_token": "",
	}
	for name, versions := range golden.Had {
		if set.lookup(name) == nil {
			t.Errorf("%s of transformers %s to %s is not known", name, versions[0], versions[1])
		}
	}
	for name, theirs := range golden.Defaults {
		st := set.lookup(name)
		if st == nil {
			t.Errorf("%s of transformers %s is not known", name, golden.Transformers)
			continue
		}
		if st.off != "" || st.hidden {
			continue
		}
		want := theirs
		if own, ok := ours[name]; ok {
			want = own
		}
		text, err := json.Marshal(st.value())
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
