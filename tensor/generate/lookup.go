package generate

// A draft follows the last tokens of a text where they stood before, at least so many of
// them, since what followed a single one seldom comes again, and so many are compared.
const leastMatch, mostMatch = 2, 16

// lookup drafts the next tokens of a text, at most so many: those that followed where its
// last ones stood before, the longest such place, of several the latest (prompt lookup
// decoding, Saxena 2023; https://github.com/apoorvumang/prompt-lookup-decoding). Answers
// copy from their passages. A draft is no longer than what stood before, since the longer
// the copy so far the further it goes on.
func lookup(tokens []int32, most int) []int32 {
	n, length, at := len(tokens), 0, 0
	for end := n - 1; end > 0 && length < mostMatch; end-- {
		same := 0
		for same < min(end, mostMatch) && tokens[end-1-same] == tokens[n-1-same] {
			same++
		}
		if same > length {
			length, at = same, end
		}
	}
	if length < leastMatch {
		return nil
	}
	return tokens[at:min(n, at+length, at+most)]
}
