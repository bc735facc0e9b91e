package pyindex

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gorqa/files/redact"
	"gorqa/files/resume"
)

// Wheel is a wheel of which is known what it is, and not where it lies.
type Wheel struct {
	Package, Version string
	SHA256           string
	Bytes            int64 // 0 where the index has to say it
}

func (w Wheel) String() string { return w.Package + "==" + w.Version }

// NeedsPip is the error of a download that pip may be able to make all the same.
type NeedsPip struct{ Why string }

func (n *NeedsPip) Error() string { return n.Why }

// Fetch finds the wheel and gives its path: part, where it was downloaded to and where
// what came is kept after an error, or that of a file in a folder that find-links names.
func Fetch(ctx context.Context, s Settings, w Wheel, part string, progress func(done int64)) (string, error) {
	path, err := find(ctx, s, w, part, progress)
	if away := new(resume.Unreachable); errors.As(err, &away) && ctx.Err() == nil {
		err = fmt.Errorf("the package index is out of reach for %s: %w; check the network and pip's settings (index-url, proxy, cert), or set PIP_FIND_LINKS to a folder that holds the wheel", w, err)
	}
	return path, err
}

func find(ctx context.Context, s Settings, w Wheel, part string, progress func(done int64)) (string, error) {
	c, err := newClient(s)
	if err != nil {
		return "", err
	}
	path, err := w.inFolders(ctx, s.FindLinks)
	if path != "" || err != nil {
		return path, err
	}
	pages, err := c.pages(w)
	if err != nil {
		return "", err
	}
	if len(pages) == 0 {
		return "", &NeedsPip{"no package index is configured (index-url in pip.conf, or PIP_INDEX_URL)"}
	}
	var errs []error
	var others []string
	for _, u := range pages {
		links, err := c.page(ctx, u)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", redact.Address(u.String()), err))
			continue
		}
		l, other := w.choose(links)
		others = append(others, other...)
		if l == nil {
			continue
		}
		return part, c.download(ctx, w, *l, part, progress)
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	found := "nothing of that version"
	if len(others) > 0 {
		found = strings.Join(others, ", ")
	}
	return "", fmt.Errorf("%s: no wheel for this machine on the package index: %s found; check pip's settings (index-url, extra-index-url), or set PIP_FIND_LINKS to a folder that holds it", w, found)
}

// inFolders looks for the wheel in the folders of find-links.
func (w Wheel) inFolders(ctx context.Context, links []string) (string, error) {
	for _, dir := range links {
		if u, err := url.Parse(dir); err == nil && u.Scheme == "file" {
			dir = u.Path
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // a page, or not there
		}
		for _, e := range entries {
			if ok, _ := w.is(e.Name()); !ok {
				continue
			}
			path := filepath.Join(dir, e.Name())
			if sum, err := resume.Sum(ctx, path, sha256.New()); err != nil {
				return "", err
			} else if sum == w.SHA256 {
				return path, nil
			}
		}
	}
	return "", nil
}

// pages are the addresses that may list the wheel, in pip's order.
func (c *client) pages(w Wheel) (pages []*url.URL, err error) {
	add := func(setting, address string, under ...string) {
		u, e := url.Parse(address)
		switch {
		case e == nil && u.Scheme == "file":
			err = errors.Join(err, &NeedsPip{setting + ": an index in files found"})
			return
		case e != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			err = errors.Join(err, fmt.Errorf("pip's settings: %s: %q found; an address such as https://host/simple expected", setting, redact.Address(address)))
			return
		}
		if len(under) > 0 {
			u = u.JoinPath(under...)
		}
		pages = append(pages, u)
	}
	for _, l := range c.settings.FindLinks {
		if strings.Contains(l, "://") && !strings.HasPrefix(l, "file:") {
			add("find-links", l)
		}
	}
	if c.settings.NoIndex {
		return pages, err
	}
	if c.settings.Index != "" {
		add("index-url", c.settings.Index, normalised(w.Package), "/")
	}
	for _, l := range c.settings.Extra {
		add("extra-index-url", l, normalised(w.Package), "/")
	}
	return pages, err
}

// choose takes the wheel of that hash among links, or one of its name whose hash is
// not told; and names those that are of its version and another's.
func (w Wheel) choose(links []link) (chosen *link, others []string) {
	for i, l := range links {
		ok, err := w.is(l.name)
		switch {
		case !ok:
		case err != nil:
			others = append(others, l.name+" ("+err.Error()+")")
		case l.sum == w.SHA256:
			return &links[i], nil
		case l.sum == "" && chosen == nil:
			chosen = &links[i]
		case l.sum != "":
			others = append(others, l.name+" (another file: its hash is "+l.sum+")")
		}
	}
	return chosen, others
}

// download brings a wheel to part.
func (c *client) download(ctx context.Context, w Wheel, l link, part string, progress func(done int64)) error {
	size := w.Bytes
	if size == 0 {
		size = l.size
	}
	if size <= 0 {
		return &NeedsPip{"the package index does not tell the size of " + l.name}
	}
	return resume.File{
		Name: l.name, Size: size, Sum: w.SHA256, Digest: sha256.New, Progress: progress, Refused: c.refused,
		Get: func(ctx context.Context, from int64) (*http.Response, error) {
			return c.get(ctx, l.url, anything, from)
		},
	}.Into(ctx, part)
}
