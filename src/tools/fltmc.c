/* SPDX-License-Identifier: MIT */
/*
 * fltmc: the filter manager's control program, with the verbs, columns and texts that it has on Windows.
 *
 * Everything goes through fltlib's management functions: what this program can do, any agent can.
 */
#include <fltUser.h>

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one entry of any class: four names. */
union entry {
        ULONG alignment;
        BYTE bytes[8192];
        FILTER_AGGREGATE_STANDARD_INFORMATION filter;
        FILTER_VOLUME_STANDARD_INFORMATION volume;
        INSTANCE_AGGREGATE_STANDARD_INFORMATION instance;
};

/*
 * The text that the filter manager's library or the system has for an error, without its line end; "" for
 * none.
 */
static char *message_of(HRESULT hr)
{
        char text[512] = "";

        FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_FROM_HMODULE |
                               FORMAT_MESSAGE_IGNORE_INSERTS,
                       NULL, (DWORD)hr, 0, text, sizeof(text), NULL);
        return g_strdup(g_strchomp(text));
}

/* Is there anybody to ask? */
static HRESULT probe(void)
{
        union entry entry;
        HANDLE find;
        DWORD size;
        HRESULT hr = FilterVolumeFindFirst(FilterVolumeBasicInformation, &entry, sizeof(entry), &size, &find);

        if (find != INVALID_HANDLE_VALUE)
                FilterVolumeFindClose(find);
        return hr == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? S_OK : hr;
}

static int failed(const char *verb, HRESULT hr)
{
        g_autofree char *text = message_of(hr);

        fprintf(stderr, "\n%s failed with error: 0x%08x\n%s\n", verb, (unsigned)hr, text);
        if (g_str_equal(verb, "Load") && SUCCEEDED(probe()))
                fputs("The log of the filter manager says what is wrong with it.\n", stderr);
        else if ((ULONG)hr == 0x80070002)
                fputs("Is a filter manager running? It is found by FLTSIM_RUNTIME_DIR or --runtime-dir.\n",
                      stderr);
        return EXIT_FAILURE;
}

static WCHAR *wide(const char *text)
{
        return text ? (WCHAR *)g_utf8_to_utf16(text, -1, NULL, NULL, NULL) : NULL;
}

/* A counted string within an entry; "" when the entry does not hold it. */
static char *text_at(const union entry *entry, DWORD size, size_t offset, size_t length)
{
        g_autofree gunichar2 *copy = NULL;
        char *text;

        if (offset > size || length > size - offset)
                return g_strdup("");
        copy = g_memdup2(entry->bytes + offset, length + 1);
        text = g_utf16_to_utf8(copy, (glong)(length / sizeof(WCHAR)), NULL, NULL, NULL);
        return text ? text : g_strdup("?");
}

static const char *file_system(FLT_FILESYSTEM_TYPE type)
{
        switch (type) {
        case FLT_FSTYPE_RAW:
                return "Raw";
        case FLT_FSTYPE_NTFS:
                return "NTFS";
        case FLT_FSTYPE_FAT:
                return "FAT";
        case FLT_FSTYPE_EXFAT:
                return "exFAT";
        case FLT_FSTYPE_CDFS:
                return "CDFS";
        case FLT_FSTYPE_UDFS:
                return "UDFS";
        case FLT_FSTYPE_REFS:
                return "ReFS";
        case FLT_FSTYPE_NFS:
                return "NFS";
        case FLT_FSTYPE_CSVFS:
                return "CSVFS";
        case FLT_FSTYPE_NPFS:
                return "NamedPipe";
        case FLT_FSTYPE_MSFS:
                return "Mailslot";
        case FLT_FSTYPE_LANMAN:
        case FLT_FSTYPE_WEBDAV:
        case FLT_FSTYPE_RDPDR:
        case FLT_FSTYPE_MUP:
                return "Remote";
        default:
                return "Unknown";
        }
}

static int list_filters(void)
{
        union entry entry;
        HANDLE find;
        DWORD size;
        HRESULT hr = FilterFindFirst(FilterAggregateStandardInformation, &entry, sizeof(entry), &size, &find);

        if (FAILED(hr) && hr != HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS))
                return failed("Filters", hr);
        puts("");
        puts("Filter Name                     Num Instances    Altitude    Frame");
        puts("------------------------------  -------------  ------------  -----");
        while (SUCCEEDED(hr)) {
                g_autofree char *name =
                        text_at(&entry, size, entry.filter.Type.MiniFilter.FilterNameBufferOffset,
                                entry.filter.Type.MiniFilter.FilterNameLength);
                g_autofree char *altitude =
                        text_at(&entry, size, entry.filter.Type.MiniFilter.FilterAltitudeBufferOffset,
                                entry.filter.Type.MiniFilter.FilterAltitudeLength);

                printf("%-30s  %9u       %-12s   %u\n", name, entry.filter.Type.MiniFilter.NumberOfInstances,
                       altitude, entry.filter.Type.MiniFilter.FrameID);
                hr = FilterFindNext(find, FilterAggregateStandardInformation, &entry, sizeof(entry), &size);
        }
        if (find != INVALID_HANDLE_VALUE)
                FilterFindClose(find);
        return hr == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? EXIT_SUCCESS : failed("Filters", hr);
}

static int list_volumes(void)
{
        union entry entry;
        HANDLE find;
        DWORD size;
        HRESULT hr =
                FilterVolumeFindFirst(FilterVolumeStandardInformation, &entry, sizeof(entry), &size, &find);

        if (FAILED(hr) && hr != HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS))
                return failed("Volumes", hr);
        puts("");
        puts("Dos Name                        Volume Name                              FileSystem   Status");
        puts("------------------------------  ---------------------------------------  ----------  --------");
        while (SUCCEEDED(hr)) {
                g_autofree char *name =
                        text_at(&entry, size, offsetof(FILTER_VOLUME_STANDARD_INFORMATION, FilterVolumeName),
                                entry.volume.FilterVolumeNameLength);
                g_autofree WCHAR *wide_name = wide(name);
                g_autofree char *dos_name = NULL;
                WCHAR buffer[1024];

                if (wide_name && SUCCEEDED(FilterGetDosName(wide_name, buffer, ARRAYSIZE(buffer))))
                        dos_name = g_utf16_to_utf8((gunichar2 *)buffer, -1, NULL, NULL, NULL);
                printf("%-30s  %-39s  %-10s  %s\n", dos_name ? dos_name : "", name,
                       file_system(entry.volume.FileSystemType),
                       entry.volume.Flags & FLTFL_VSI_DETACHED_VOLUME ? "Detached" : "");
                hr = FilterVolumeFindNext(find, FilterVolumeStandardInformation, &entry, sizeof(entry),
                                          &size);
        }
        if (find != INVALID_HANDLE_VALUE)
                FilterVolumeFindClose(find);
        return hr == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? EXIT_SUCCESS : failed("Volumes", hr);
}

static void print_instance(const union entry *entry, DWORD size, bool with_filter, bool with_volume,
                           const char *only_volume)
{
        const INSTANCE_AGGREGATE_STANDARD_INFORMATION *instance = &entry->instance;
        g_autofree char *filter = text_at(entry, size, instance->Type.MiniFilter.FilterNameBufferOffset,
                                          instance->Type.MiniFilter.FilterNameLength);
        g_autofree char *volume = text_at(entry, size, instance->Type.MiniFilter.VolumeNameBufferOffset,
                                          instance->Type.MiniFilter.VolumeNameLength);
        g_autofree char *altitude = text_at(entry, size, instance->Type.MiniFilter.AltitudeBufferOffset,
                                            instance->Type.MiniFilter.AltitudeLength);
        g_autofree char *name = text_at(entry, size, instance->Type.MiniFilter.InstanceNameBufferOffset,
                                        instance->Type.MiniFilter.InstanceNameLength);

        if (only_volume && g_ascii_strcasecmp(only_volume, volume) != 0)
                return;
        if (with_filter)
                printf("%-20s  ", filter);
        if (with_volume)
                printf("%-37s  ", volume);
        printf("  %-10s  %-22s    %-3u   %08x  %s\n", altitude, name, instance->Type.MiniFilter.FrameID,
               instance->Type.MiniFilter.SupportedFeatures,
               instance->Type.MiniFilter.Flags & FLTFL_IASIM_DETACHED_VOLUME ? "Detached" : "");
}

static void print_instance_head(bool with_filter, bool with_volume)
{
        puts("");
        printf("%s%s  Altitude        Instance Name       Frame   SprtFtrs  VlStatus\n",
               with_filter ? "Filter                " : "",
               with_volume ? "Volume Name                            " : "");
        printf("%s%s------------  ----------------------  -----   --------  --------\n",
               with_filter ? "--------------------  " : "",
               with_volume ? "-------------------------------------  " : "");
}

static HRESULT instances_of_filter(const WCHAR *filter, bool with_filter, const char *only_volume)
{
        union entry entry;
        HANDLE find;
        DWORD size;
        HRESULT hr = FilterInstanceFindFirst(filter, InstanceAggregateStandardInformation, &entry,
                                             sizeof(entry), &size, &find);

        while (SUCCEEDED(hr)) {
                print_instance(&entry, size, with_filter, true, only_volume);
                hr = FilterInstanceFindNext(find, InstanceAggregateStandardInformation, &entry, sizeof(entry),
                                            &size);
        }
        if (find != INVALID_HANDLE_VALUE)
                FilterInstanceFindClose(find);
        return hr == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? S_OK : hr;
}

static HRESULT instances_of_volume(const WCHAR *volume)
{
        union entry entry;
        HANDLE find;
        DWORD size;
        HRESULT hr = FilterVolumeInstanceFindFirst(volume, InstanceAggregateStandardInformation, &entry,
                                                   sizeof(entry), &size, &find);

        while (SUCCEEDED(hr)) {
                print_instance(&entry, size, true, false, NULL);
                hr = FilterVolumeInstanceFindNext(find, InstanceAggregateStandardInformation, &entry,
                                                  sizeof(entry), &size);
        }
        if (find != INVALID_HANDLE_VALUE)
                FilterVolumeInstanceFindClose(find);
        return hr == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? S_OK : hr;
}

static HRESULT all_instances(void)
{
        union entry entry;
        HANDLE find;
        DWORD size;
        HRESULT hr = FilterFindFirst(FilterFullInformation, &entry, sizeof(entry), &size, &find);

        while (SUCCEEDED(hr)) {
                const FILTER_FULL_INFORMATION *information = (const FILTER_FULL_INFORMATION *)&entry;
                g_autofree char *name =
                        text_at(&entry, size, offsetof(FILTER_FULL_INFORMATION, FilterNameBuffer),
                                information->FilterNameLength);
                g_autofree WCHAR *filter = wide(name);

                /* One that is unloaded just now has no instances any more. */
                if (filter)
                        instances_of_filter(filter, true, NULL);
                hr = FilterFindNext(find, FilterFullInformation, &entry, sizeof(entry), &size);
        }
        if (find != INVALID_HANDLE_VALUE)
                FilterFindClose(find);
        return hr == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS) ? S_OK : hr;
}

static int list_instances(const char *filter, const char *volume)
{
        g_autofree WCHAR *wide_filter = wide(filter), *wide_volume = wide(volume);
        HRESULT hr = probe(); /* the table's head comes after that, and not before */

        if (FAILED(hr))
                return failed("Instances", hr);
        if (filter)
                printf("\nInstances for %s filter:\n", filter);
        else if (volume)
                printf("\nInstances for %s volume:\n", volume);
        print_instance_head(!filter, filter || !volume);
        if (filter)
                hr = instances_of_filter(wide_filter, false, volume);
        else if (volume)
                hr = instances_of_volume(wide_volume);
        else
                hr = all_instances();
        return FAILED(hr) ? failed("Instances", hr) : EXIT_SUCCESS;
}

static int load(const char *name)
{
        /* The filter manager has another working directory. */
        g_autofree char *path = strchr(name, '/') ? g_canonicalize_filename(name, NULL) : g_strdup(name);
        g_autofree WCHAR *wide_name = wide(path);
        HRESULT hr = FilterLoad(wide_name);

        return FAILED(hr) ? failed("Load", hr) : EXIT_SUCCESS;
}

static int unload(const char *name)
{
        g_autofree WCHAR *wide_name = wide(name);
        HRESULT hr = FilterUnload(wide_name);

        return FAILED(hr) ? failed("Unload", hr) : EXIT_SUCCESS;
}

static int attach(const char *filter, const char *volume, const char *instance, const char *altitude)
{
        g_autofree WCHAR *wide_filter = wide(filter), *wide_volume = wide(volume),
                         *wide_instance = wide(instance);
        g_autofree WCHAR *wide_altitude = wide(altitude);
        g_autofree char *created = NULL;
        WCHAR name[INSTANCE_NAME_MAX_CHARS + 1];
        HRESULT hr = wide_altitude
                             ? FilterAttachAtAltitude(wide_filter, wide_volume, wide_altitude, wide_instance,
                                                      sizeof(name), name)
                             : FilterAttach(wide_filter, wide_volume, wide_instance, sizeof(name), name);

        if (FAILED(hr))
                return failed("Attach", hr);
        created = g_utf16_to_utf8((gunichar2 *)name, -1, NULL, NULL, NULL);
        printf("\nAttach succeeded.... Instance name: %s\n", created ? created : "");
        return EXIT_SUCCESS;
}

static int detach(const char *filter, const char *volume, const char *instance)
{
        g_autofree WCHAR *wide_filter = wide(filter), *wide_volume = wide(volume),
                         *wide_instance = wide(instance);
        HRESULT hr = FilterDetach(wide_filter, wide_volume, wide_instance);

        return FAILED(hr) ? failed("Detach", hr) : EXIT_SUCCESS;
}

static const char usage_text[] =
        "Usage: fltmc [--runtime-dir DIR] [COMMAND]\n"
        "\n"
        "  filters                                       List the filters (what fltmc does without a command)\n"
        "  instances [-f FILTER] [-v VOLUME]             List instances: all, of a filter, on a volume\n"
        "  volumes                                       List the volumes\n"
        "  load FILTER                                   Load a filter: its name, or the path of its INF or image\n"
        "  unload FILTER                                 Unload a filter\n"
        "  attach FILTER VOLUME [-i NAME] [-a ALTITUDE]  Create an instance of a filter on a volume\n"
        "  detach FILTER VOLUME [INSTANCE]               Remove an instance\n"
        "  help                                          This text\n"
        "\n"
        "  --runtime-dir DIR   Talk to the filter manager of this runtime directory, not of $FLTSIM_RUNTIME_DIR\n"
        "  -h, --help          Print this text\n"
        "  --version           Print the version\n";

static int usage(const char *what, const char *argument)
{
        fprintf(stderr, "fltmc: %s: %s\n\n%s", argument, what, usage_text);
        return 2;
}

/* The words of a command, and its options wherever they stand. */
struct words {
        char *word[4];
        int count;
        const char *filter, *volume, *instance, *altitude;
};

static const char **option_of(struct words *words, const char *verb, const char *argument)
{
        bool instances = g_str_equal(verb, "instances"), attaches = g_str_equal(verb, "attach");

        if (instances && g_str_equal(argument, "-f"))
                return &words->filter;
        if (instances && g_str_equal(argument, "-v"))
                return &words->volume;
        if (attaches && g_str_equal(argument, "-i"))
                return &words->instance;
        if (attaches && g_str_equal(argument, "-a"))
                return &words->altitude;
        return NULL;
}

/* NULL, or the argument that is wrong, and in *what how it is. */
static const char *parse(int argc, char **argv, struct words *words, const char **what)
{
        for (int i = 0; i < argc; i++) {
                const char **option = words->count > 0 ? option_of(words, words->word[0], argv[i]) : NULL;

                *what = !g_utf8_validate(argv[i], -1, NULL)             ? "not UTF-8"
                        : option && i + 1 == argc                       ? "its value is missing"
                        : !option && argv[i][0] == '-' && argv[i][1]    ? "no such option"
                        : !option && words->count == G_N_ELEMENTS(words->word) ? "one too many"
                                                                        : NULL;
                if (*what)
                        return argv[i];
                if (option)
                        *option = argv[++i];
                else
                        words->word[words->count++] = argv[i];
        }
        return NULL;
}

int main(int argc, char **argv)
{
        struct words words = { .count = 0 };
        const char *verb, *wrong, *what;
        int first = 1;

        for (; first < argc && argv[first][0] == '-'; first++) {
                if (g_str_equal(argv[first], "--help") || g_str_equal(argv[first], "-h")) {
                        fputs(usage_text, stdout);
                        return EXIT_SUCCESS;
                }
                if (g_str_equal(argv[first], "--version")) {
                        puts("fltmc " FLTSIM_VERSION);
                        return EXIT_SUCCESS;
                }
                if (g_str_has_prefix(argv[first], "--runtime-dir="))
                        setenv("FLTSIM_RUNTIME_DIR", argv[first] + strlen("--runtime-dir="), 1);
                else if (g_str_equal(argv[first], "--runtime-dir") && first + 1 < argc)
                        setenv("FLTSIM_RUNTIME_DIR", argv[++first], 1);
                else
                        return usage(g_str_equal(argv[first], "--runtime-dir") ? "a directory is missing" : "no such option",
                                     argv[first]);
        }
        wrong = parse(argc - first, argv + first, &words, &what);
        if (wrong)
                return usage(what, wrong);
        verb = words.count > 0 ? words.word[0] : "filters";
        if (g_str_equal(verb, "help")) {
                fputs(usage_text, stdout);
                return EXIT_SUCCESS;
        }
        if (g_str_equal(verb, "filters") && words.count <= 1)
                return list_filters();
        if (g_str_equal(verb, "volumes") && words.count == 1)
                return list_volumes();
        if (g_str_equal(verb, "instances") && words.count == 1)
                return list_instances(words.filter, words.volume);
        if (g_str_equal(verb, "load") && words.count == 2)
                return load(words.word[1]);
        if (g_str_equal(verb, "unload") && words.count == 2)
                return unload(words.word[1]);
        if (g_str_equal(verb, "attach") && words.count == 3)
                return attach(words.word[1], words.word[2], words.instance, words.altitude);
        if (g_str_equal(verb, "detach") && (words.count == 3 || words.count == 4))
                return detach(words.word[1], words.word[2], words.word[3]);
        return usage("no such command, or not with so many arguments", verb);
}
