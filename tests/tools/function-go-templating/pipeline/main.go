// Command pipeline tries compositions where there is no Crossplane. A request is a line of JSON on standard input,
// its answer a line on standard output: `run` runs functions as Crossplane does, `check` reads a template.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	modes := map[string]func(line []byte) (any, error){"run": runLine, "check": checkLine}
	var mode func([]byte) (any, error)
	if len(os.Args) == 2 {
		mode = modes[os.Args[1]]
	}
	if mode == nil {
		fail(errors.New("usage: pipeline run|check"))
	}
	if err := serve(mode); err != nil {
		fail(err)
	}
}

func serve(mode func([]byte) (any, error)) error {
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		answer, err := mode(line)
		if err != nil {
			return fmt.Errorf("request %d: %w", number, err)
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
}

// strict reads a request, and no other.
func strict(line []byte, request any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	return decoder.Decode(request)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "pipeline:", err)
	os.Exit(1)
}
