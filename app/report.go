package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/report"
)

// Report writes the page of a run anew, or one page of several runs.
func Report(_ context.Context, c config.Report, s Streams) error {
	for _, dir := range c.Runs {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("%s: a file found; the folder of a run expected, as gorqa train and gorqa eval leave it; for predictions alone give the folder that %s is in, or take gorqa compare", dir, predictionsName)
		} else if err != nil {
			return fmt.Errorf("%s: no folder found; that of a run expected, as gorqa train and gorqa eval leave it", dir)
		}
		if !modelfile.Exists(filepath.Join(dir, argsFile)) && !modelfile.Exists(filepath.Join(dir, predictionsName)) && !modelfile.Exists(filepath.Join(dir, report.MetricsFile)) {
			return fmt.Errorf("%s: neither %s nor %s nor %s found; the folder of a run expected, as gorqa train and gorqa eval leave it", dir, argsFile, report.MetricsFile, predictionsName)
		}
	}
	path := report.PageFile
	if len(c.Runs) == 1 {
		path = filepath.Join(c.Runs[0], report.PageFile)
	}
	path = cmp.Or(c.Output, path)
	if err := whole.CheckFile(path); err != nil {
		return err
	}
	page, err := pageOf(c.Runs)
	if err != nil {
		return err
	}
	if err := report.WritePage(path, page); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, report.Clean(path))
	return err
}
