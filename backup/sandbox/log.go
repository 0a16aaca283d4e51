package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// CopyLog copies the log of one node to w, each line marked with the node's name.
func CopyLog(w io.Writer, node string, log io.Reader) error {
	r := bufio.NewReader(log)
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			if _, err := fmt.Fprintf(w, "%s: %s\n", node, strings.TrimRight(line, "\r\n")); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("log of %s: %w", node, err)
		}
	}
}
