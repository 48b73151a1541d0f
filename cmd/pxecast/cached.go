package main

import (
	"context"

	"github.com/pxecast/pxecast/internal/image"
)

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
