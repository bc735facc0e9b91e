package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/report"
)

// setting is a name of all_args.json with its value as people write it.
type setting struct{ name, value string }

// readSettings reads a run's settings in their order; none where there is no such file.
func readSettings(path string) ([]setting, error) {
	text, err := modelfile.Read(path, maxArgs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage // for what is wrong and where; it keeps no order
	if err := modelfile.JSON(path, text, &object); err != nil {
		return nil, fmt.Errorf("%w; settings expected, as gorqa writes them", err)
	}
	settings, err := parseSettings(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; a JSON object of settings expected, as gorqa writes it", path, err)
	}
	return settings, nil
}

func parseSettings(text []byte) (all []setting, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.Join(errors.New("no JSON object found"), err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		all = append(all, setting{fmt.Sprint(name), plain(value)})
	}
	return all, nil
}

// plain is a value without JSON's marks where it is one word or a list of such.
func plain(value json.RawMessage) string {
	var text string
	var list []string
	switch {
	case string(value) == "null":
		return ""
	case json.Unmarshal(value, &text) == nil:
		return text
	case json.Unmarshal(value, &list) == nil:
		return strings.Join(list, ",")
	}
	return string(value)
}

// setting is the value of one, "" where the run has none.
func (r shownRun) setting(name string) string {
	i := slices.IndexFunc(r.settings, func(s setting) bool { return s.name == name })
	if i < 0 {
		return ""
	}
	return r.settings[i].value
}

// settingsOf is the settings that keep says yes to, by their values in all runs.
func settingsOf(runs []shownRun, title string, keep func(values []string) bool) report.Table {
	var rows [][]string
	seen := map[string]bool{}
	for _, r := range runs {
		for _, s := range r.settings {
			if seen[s.name] {
				continue
			}
			seen[s.name] = true
			if row := fact(s.name, runs, func(r shownRun) string { return r.setting(s.name) }); keep(row) {
				rows = append(rows, row)
			}
		}
	}
	return table(title, runs, rows...)
}

// chosenSettings are those of a run that are not the defaults, or those in which several
// runs differ.
func chosenSettings(runs []shownRun) report.Table {
	if len(runs) > 1 {
		return settingsOf(runs, "Settings that differ", func(row []string) bool {
			return row[0] != "output_dir" && slices.ContainsFunc(row[2:], func(v string) bool { return v != row[1] })
		})
	}
	defaults := map[string]string{}
	for _, s := range defaultsOf(runs[0]) {
		defaults[s.name] = s.value
	}
	return settingsOf(runs, "Settings that are not the defaults", func(row []string) bool {
		usual, known := defaults[row[0]]
		return !known || usual != row[1]
	})
}

// defaultsOf are the defaults of the command that made a run; none where that is not known.
func defaultsOf(r shownRun) []setting {
	var defaults config.Settings
	if r.setting("do_train") == "" { // which gorqa eval does not have
		c := config.DefaultEval()
		defaults = &c
	} else {
		recipe := ""
		if r.record != nil {
			recipe = strings.TrimPrefix(r.record.Command, "train ")
		}
		c := config.DefaultTrain(recipe)
		defaults = &c
	}
	text, err := config.Resolved(defaults)
	if err != nil {
		return nil
	}
	settings, err := parseSettings(text)
	if err != nil {
		return nil
	}
	return settings
}
