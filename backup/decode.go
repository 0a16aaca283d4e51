package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// More than this is refused as malformed, not read into memory. The coordinator lists the collections of each node, a node about 3 KB for each shard (its files).
const (
	maxDescriptor     = 256 << 20
	maxNodeDescriptor = 2 << 30
)

func decodeDescriptor(r io.Reader) (Descriptor, error) {
	var d Descriptor
	dec := json.NewDecoder(io.LimitReader(r, maxDescriptor))
	if err := dec.Decode(&d); err != nil {
		return Descriptor{}, err
	}
	if err := end(dec); err != nil {
		return Descriptor{}, err
	}
	if d.ID == "" || d.Status == "" {
		return Descriptor{}, errors.New("it has no id or no status")
	}
	return d, nil
}

// decodeNodeDescriptor reads shard by shard: json.Decoder buffers the value that it decodes, and the whole document would be held twice.
func decodeNodeDescriptor(r io.Reader) (NodeDescriptor, error) {
	var d NodeDescriptor
	dec := json.NewDecoder(io.LimitReader(r, maxNodeDescriptor))
	err := members(dec, func(name string) error {
		switch name {
		case "id":
			return dec.Decode(&d.ID)
		case "startedAt":
			return dec.Decode(&d.StartedAt)
		case "status":
			return dec.Decode(&d.Status)
		case "error":
			return dec.Decode(&d.Error)
		case "version":
			return dec.Decode(&d.Version)
		case "serverVersion":
			return dec.Decode(&d.ServerVersion)
		case "compressionType":
			return dec.Decode(&d.CompressionType)
		case "baseBackupId":
			return dec.Decode(&d.BaseBackupID)
		case "preCompressionSizeBytes":
			return dec.Decode(&d.PreCompressionSizeBytes)
		case "classes":
			return elements(dec, func() error {
				class, err := decodeClass(dec)
				d.Classes = append(d.Classes, class)
				return err
			})
		default: // rbacBackups and userBackups hold hashes of API keys: never kept
			var skipped json.RawMessage
			return dec.Decode(&skipped)
		}
	})
	if err != nil {
		return NodeDescriptor{}, err
	}
	if err := end(dec); err != nil {
		return NodeDescriptor{}, err
	}
	if d.ID == "" || d.Status == "" {
		return NodeDescriptor{}, errors.New("it has no id or no status")
	}
	return d, nil
}

func decodeClass(dec *json.Decoder) (ClassDescriptor, error) {
	var c ClassDescriptor
	err := members(dec, func(name string) error {
		switch name {
		case "name":
			return dec.Decode(&c.Name)
		case "chunks":
			return dec.Decode(&c.Chunks)
		case "shardingState":
			return dec.Decode(&c.ShardingState)
		case "schema":
			return dec.Decode(&c.Schema)
		case "aliases":
			return dec.Decode(&c.Aliases)
		case "preCompressionSizeBytes":
			return dec.Decode(&c.PreCompressionSizeBytes)
		case "shards":
			return elements(dec, func() error {
				var s *ShardDescriptor
				if err := dec.Decode(&s); err != nil {
					return err
				}
				if s == nil || s.Name == "" {
					return fmt.Errorf("collection %s has a shard without a name", c.Name)
				}
				c.Shards = append(c.Shards, s)
				return nil
			})
		default:
			var skipped json.RawMessage
			return dec.Decode(&skipped)
		}
	})
	if err == nil && c.Name == "" {
		err = errors.New("a collection has no name")
	}
	return c, err
}

// members calls each for every member of a JSON object, which must decode the value. A null is an object without members.
func members(dec *json.Decoder, each func(name string) error) error {
	if present, err := open(dec, '{'); err != nil || !present {
		return err
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v stands where the name of a member belongs", token)
		}
		if err := each(name); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return truncated(err)
}

// elements calls each for every element of a JSON array, which must decode it. A null is an empty array.
func elements(dec *json.Decoder, each func() error) error {
	if present, err := open(dec, '['); err != nil || !present {
		return err
	}
	for dec.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return truncated(err)
}

func open(dec *json.Decoder, want json.Delim) (present bool, err error) {
	token, err := dec.Token()
	if err != nil || token == nil {
		return false, truncated(err)
	}
	if token != want {
		return false, fmt.Errorf("%v stands where %v belongs", token, want)
	}
	return true, nil
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// end insists that nothing follows the document.
func end(dec *json.Decoder) error {
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON document")
	}
	return nil
}
