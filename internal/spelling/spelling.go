// Package spelling finds what somebody meant who misspelt it.
package spelling

// Nearest is the known word that takes the fewest edits to become from word, the first of several, and how many it takes. Without known words it is "".
func Nearest(word string, known []string) (nearest string, edits int) {
	for i, k := range known {
		if n := distance(word, k); i == 0 || n < edits {
			nearest, edits = k, n
		}
	}
	return nearest, edits
}

// distance is the number of bytes to insert, delete or replace that make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // edits from the bytes of a so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
