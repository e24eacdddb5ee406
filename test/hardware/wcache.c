/*
 * Gives the guest's disk a volatile write cache: preloaded into the kernel's process, it keeps what is written to one
 * file in memory until the guest asks for a flush. Killing the process is then a power cut that loses it.
 *
 *   WCACHE_DISK   the file
 *   WCACHE_EARLY  percentage of writes that reach the file at once and so overtake others, each whole or with only
 *                 its first sectors (default 0)
 *   WCACHE_SEED   which ones
 *   WCACHE_LIES   if set, a flush is answered with success and does nothing
 *
 * Memory is static because the kernel that lives in this process manages the rest of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_WRITES (1 << 16)
#define MAX_BYTES (64 << 20)
#define SECTOR_BYTES 512
/* ext4's superblock, checksum and all, must be written whole or not at all: the one thing that nothing repairs. */
#define SUPERBLOCK_END 2048

struct pending_write {
	off64_t offset;
	size_t length;
	const char *bytes;
};

static struct pending_write pending[MAX_WRITES];
static size_t pending_count;
static char bytes[MAX_BYTES];
static size_t bytes_used;

static struct stat disk;
static bool disk_known;
static unsigned int early_percent;
static uint64_t random_state;
static bool lies;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("WCACHE_DISK");
	const char *early = getenv("WCACHE_EARLY");
	const char *seed = getenv("WCACHE_SEED");

	real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	real_pread = dlsym(RTLD_NEXT, "pread64");
	real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	disk_known = path && stat(path, &disk) == 0;
	early_percent = early ? atoi(early) : 0;
	random_state = seed ? strtoull(seed, NULL, 10) : 0;
	lies = getenv("WCACHE_LIES") != NULL;
}

static bool is_disk(int fd)
{
	struct stat file;

	return disk_known && fstat(fd, &file) == 0 && file.st_dev == disk.st_dev && file.st_ino == disk.st_ino;
}

/* A linear congruential generator (Knuth, MMIX); its high bits are the random ones. */
static unsigned int random_below(unsigned int limit)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % limit;
}

/* How much of a write reaches the file before any flush. */
static size_t early_length(size_t length, off64_t offset)
{
	size_t sectors = length / SECTOR_BYTES;

	if (random_below(100) >= early_percent)
		return 0;
	if (sectors < 2 || offset < SUPERBLOCK_END)
		return length;
	return SECTOR_BYTES * (1 + random_below(sectors));
}

static void write_all_pending(int fd)
{
	size_t i;

	for (i = 0; i < pending_count; i++)
		if (real_pwrite(fd, pending[i].bytes, pending[i].length, pending[i].offset) < 0)
			abort();
	pending_count = 0;
	bytes_used = 0;
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t offset)
{
	size_t early;

	if (!is_disk(fd))
		return real_pwrite(fd, from, length, offset);
	if (pending_count == MAX_WRITES || bytes_used + length > MAX_BYTES)
		write_all_pending(fd);
	memcpy(bytes + bytes_used, from, length);
	pending[pending_count++] = (struct pending_write){ offset, length, bytes + bytes_used };
	bytes_used += length;
	/* It also stays pending: what is written later in order must not undo it. */
	early = early_length(length, offset);
	if (early > 0 && real_pwrite(fd, from, early, offset) < 0)
		return -1;
	return length;
}

/* The part of one pending write that lies within what is being read. */
static void overlay(const struct pending_write *write, char *into, size_t length, off64_t offset)
{
	off64_t from = write->offset > offset ? write->offset : offset;
	off64_t write_end = write->offset + (off64_t)write->length;
	off64_t read_end = offset + (off64_t)length;
	off64_t to = write_end < read_end ? write_end : read_end;

	if (from < to)
		memcpy(into + (from - offset), write->bytes + (from - write->offset), to - from);
}

ssize_t pread64(int fd, void *into, size_t length, off64_t offset)
{
	ssize_t got = real_pread(fd, into, length, offset);
	size_t i;

	if (got > 0 && is_disk(fd))
		for (i = 0; i < pending_count; i++)
			overlay(&pending[i], into, got, offset);
	return got;
}

/* How the kernel's process passes the guest's flush on. */
int fdatasync(int fd)
{
	if (!is_disk(fd))
		return real_fdatasync(fd);
	if (lies)
		return 0;
	write_all_pending(fd);
	return real_fdatasync(fd);
}
