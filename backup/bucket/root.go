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

// root reads up to the root element and returns its name, empty when there is none. The error is that of r.
func root(r io.Reader) (string, error) {
	d := xml.NewDecoder(r)
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // whichever it is, the names of elements are ASCII
	for {
		token, err := d.Token()
		var noXML *xml.SyntaxError
		if errors.Is(err, io.EOF) || errors.As(err, &noXML) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		if start, ok := token.(xml.StartElement); ok {
			return start.Name.Local, nil
		}
	}
}
