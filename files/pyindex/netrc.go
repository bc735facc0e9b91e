package pyindex

import (
	"os"
	"path/filepath"
	"strings"

	"gorqa/files/modelfile"
)

// login is a name and a password.
type login struct{ name, password string }

// readNetrc gives the logins of hosts, that of "" for all others, from the file that
// NETRC names, or .netrc in the user's folder. A file that is not there or that cannot
// be read has none, as for requests.
func readNetrc() map[string]login {
	path := os.Getenv("NETRC")
	if path == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		path = filepath.Join(user, ".netrc")
	}
	data, err := modelfile.Read(path, maxConfig)
	if err != nil {
		return nil
	}
	return parseNetrc(string(data))
}

// parseNetrc reads the words of a .netrc file. The first entry of a host counts.
func parseNetrc(text string) map[string]login {
	words := netrcWords(text)
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		word := words[0]
		words = words[1:]
		return word
	}
	logins := map[string]login{}
	var host string
	var entry *login
	keep := func() {
		if _, known := logins[host]; entry != nil && !known {
			logins[host] = *entry
		}
	}
	for len(words) > 0 {
		switch next() {
		case "machine":
			keep()
			host, entry = next(), new(login)
		case "default":
			keep()
			host, entry = "", new(login)
		case "login", "user":
			if name := next(); entry != nil {
				entry.name = name
			}
		case "password":
			if password := next(); entry != nil {
				entry.password = password
			}
		case "account":
			next()
		}
	}
	keep()
	return logins
}

// netrcWords are the words of a .netrc file without comments and macros, which end at an
// empty line. A word may be quoted.
func netrcWords(text string) (words []string) {
	macro := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if macro = macro && line != ""; macro || strings.HasPrefix(line, "#") {
			continue
		}
		for line != "" {
			var word string
			if rest, quoted := strings.CutPrefix(line, `"`); quoted {
				word, line, _ = strings.Cut(rest, `"`)
				words = append(words, strings.ReplaceAll(word, `\`, ""))
				line = strings.TrimSpace(line)
				continue
			}
			word, line = line, ""
			if at := strings.IndexAny(word, " \t"); at >= 0 {
				word, line = word[:at], strings.TrimSpace(word[at:])
			}
			if word == "macdef" {
				macro, line = true, ""
				continue
			}
			words = append(words, word)
		}
	}
	return words
}
