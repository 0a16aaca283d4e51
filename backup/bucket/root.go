package bucket

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// listing is the root element of the answer to ListObjectsV2.
const listing = "ListBucketResult"

// answerError is the error of a call that the server answered with another XML document than S3 does.
type answerError struct{ got, wanted string } // root elements; got is empty when there is none

func (e *answerError) Error() string {
	if e.got == "" {
		return fmt.Sprintf("the server answered without the <%s> of S3: is the endpoint an S3 server?", e.wanted)
	}
	return fmt.Sprintf("the server answered <%s> where S3 answers <%s>: is the endpoint an S3 server?", e.got, e.wanted)
}

// rooted makes a call fail with answerError unless the root element of its answer is the one wanted. The SDK does not look: it takes the HTML page of
// a proxy, or the listing that some servers answer for every subresource that they do not know, for an answer in which nothing is set.
func rooted(wanted string) func(*s3.Options) {
	look := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		response, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || response.StatusCode != http.StatusOK {
			return out, metadata, err
		}
		var read bytes.Buffer
		got, err := root(io.TeeReader(response.Body, &read))
		if err == nil && got != wanted {
			err = &answerError{got, wanted}
		}
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(&read, response.Body), response.Body}
		return out, metadata, err
	}
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("weaviate-drill: root element", look), middleware.After)
		})
	}
}

// root reads up to the root element and returns its name, empty when there is none: what is no XML has none. The error is that of r.
func root(r io.Reader) (string, error) {
	in := &failing{Reader: r}
	for d := xml.NewDecoder(in); ; {
		token, err := d.Token()
		if err != nil {
			return "", in.err
		}
		if start, ok := token.(xml.StartElement); ok {
			return start.Name.Local, nil
		}
	}
}

// failing keeps the error of a reader that was not its end: the XML decoder has many errors of its own.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
