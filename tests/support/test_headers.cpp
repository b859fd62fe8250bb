// Nothing but a place to precompile the headers that all tests but those of policies/ include.
