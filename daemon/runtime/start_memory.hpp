// Gives back the memory that only the start needed.
//
// Reading the configuration, linking and opening leave pages of program text behind that are never
// run again, and free blocks in the heap: at a thousand probes 12 of 27 MiB resident. Program text
// is unmapped page by page, not forgotten: what is still needed comes back from the page cache by
// itself, a minor fault each. Called once, on the loop's thread; takes a few milliseconds at most.
#pragma once

namespace pointsman {

void release_start_memory();

}  // namespace pointsman
