package main

import (
	"context"
	"io"
	"strings"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/source"
)

// formOf tells the form of an image by how it begins, as package source does
// when it reads all of it; that then also finds damage.
func formOf(in *source.Input) (string, error) {
	if in.File() == nil {
		return "stream", nil // looking at it would take it away
	}
	head := make([]byte, 32)
	n, err := in.File().ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	for _, f := range []struct {
		form  source.Form
		magic string
	}{
		{source.FormGzip, "\x1f\x8b\x08"}, {source.FormXz, "\xfd7zXZ\x00"}, {source.FormZstd, "\x28\xb5\x2f\xfd"},
		{source.FormBzip2, "BZh"}, {source.FormQcow2, "QFI\xfb"}, {source.FormVmdk, "KDMV"},
		{source.FormVmdk, "# Disk DescriptorFile"}, {source.FormVhdx, "vhdxfile"},
	} {
		if strings.HasPrefix(string(head[:n]), f.magic) {
			return f.form.String(), nil
		}
	}
	return source.FormRaw.String(), nil
}

// cached returns the packed image of path if the cache has it, else nil. A
// context that has ended keeps the cache from packing it.
func cached(path string) *image.Packed {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	packed, err := fromCache(ctx, path, image.PackOptions{})
	if err != nil {
		return nil
	}
	return packed
}
