package config

import (
	"slices"
	"strings"
	"testing"
)

// TestAbsurdNumbersAreRefusedByFlag gives every numeric flag of every command values that no run can
// have: each is refused in one line that names the flag, but for those that mean
// something.
func TestAbsurdNumbersAreRefusedByFlag(t *testing.T) {
	model := []string{"--model_name_or_path", "m"}
	passages := []string{"--full_dataset_file_path", "d", "--eval_embedding_model", "e"}
	training := slices.Concat(model, passages, []string{"--train_file", "t", "--eval_file", "v", "--output_dir", "o"})
	// What is no mistake: seeds, and -1 for "none" where the help says so.
	fine := map[string]string{
		"max_steps -1": "the epochs decide",
		"min_score -1": "cosine's lowest",
		"seed -1":      "any whole number is a seed", "data_seed -1": "the same",
	}
	for _, command := range []struct {
		name string
		new  func() Settings
		args []string
	}{
		{"train sft", func() Settings { return new(DefaultTrain(SFT)) }, training},
		{"train swr", func() Settings { return new(DefaultTrain(SwR)) }, append(slices.Clone(training), "--embedding_model", "e")},
		{"train fid", func() Settings { return new(DefaultTrain(FiD)) }, append(slices.Clone(training), "--embedding_model", "e")},
		{"doctor", func() Settings { return new(DefaultDoctor()) }, training},
		{"eval", func() Settings { return new(DefaultEval()) }, slices.Concat(model, passages, []string{"--test_file", "t", "--output_dir", "o"})},
		{"compare", func() Settings { return new(DefaultCompare()) }, []string{"a", "b"}},
		{"review", func() Settings { return new(DefaultReview()) }, []string{"a", "b"}},
		{"report", func() Settings { return new(DefaultReport()) }, []string{"a", "b"}},
		{"index", func() Settings { return new(DefaultIndex()) }, append(slices.Clone(passages), "--full_dataset_index_path", "i")},
		{"contexts", func() Settings { return new(DefaultContexts()) }, []string{"--full_dataset_file_path", "d", "--train_file", "t", "--embedding_model", "e"}},
		{"ask", func() Settings { return new(DefaultAsk()) }, slices.Concat(model, passages, []string{"why?"})},
		{"tokenize", func() Settings { return new(DefaultTokenize()) }, model},
		{"convert", func() Settings { return new(DefaultConvert()) }, []string{"in", "out"}},
		{"merge", func() Settings { return new(DefaultMerge()) }, []string{"a", "--output_dir", "o"}},
		{"data godoc", func() Settings { return new(DefaultGodoc()) }, []string{"--output_dir", "o"}},
		{"fetch", func() Settings { return new(DefaultFetch()) }, nil},
	} {
		t.Run(command.name, func(t *testing.T) {
			if _, err := Parse(command.new(), command.args); err != nil {
				t.Fatal(err)
			}
			for _, st := range newSet(command.new()).settings {
				if st.metavar != "N" && st.metavar != "X" {
					continue
				}
				values := []string{"1e300", "-1", "nan", "inf", "-inf", "", "x", "0x10", "1,5"}
				if st.metavar == "N" {
					values = append(values, "99999999999999999999", "9223372036854775807", "1.5")
				}
				for _, value := range values {
					_, err := Parse(command.new(), append(slices.Clone(command.args), "--"+st.name+"="+value))
					_, meant := fine[st.name+" "+value]
					switch {
					case meant || value == "9223372036854775807" && strings.HasSuffix(st.name, "seed"):
						if err != nil {
							t.Errorf("--%s %s: %v", st.name, value, err)
						}
					case err == nil:
						t.Errorf("--%s=%s: taken; an error expected", st.name, value)
					case strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), st.name+":"):
						t.Errorf("--%s=%s: %v; one line with the flag's name expected", st.name, value, err)
					}
				}
			}
		})
	}
}
