/* SPDX-License-Identifier: MIT */
/* INF files as they are shipped, in every encoding, and as they should not be; and the short key file. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "nt/inf.h"
#include "nt/keyfile.h"
#include "nt/registry.h"

#define SERVICE FM_SERVICES_KEY "\\Scanner"

static const char sample[] =
        ";;;\r\n"
        ";;; Scanner\r\n"
        ";;;\r\n"
        "\r\n"
        "[Version]\r\n"
        "Signature   = \"$Windows NT$\"\r\n"
        "Class       = \"ActivityMonitor\"             ;This is determined by the work this filter driver does\r\n"
        "ClassGuid   = {b86dff51-a31e-4bac-b3cf-e8cfe75c9fc2}\r\n"
        "Provider    = %ProviderString%\r\n"
        "\r\n"
        "[DefaultInstall]\r\n"
        "CopyFiles = Nothing\r\n"
        "[DefaultInstall.Services]\r\n"
        "AddService = WrongOne,,Wrong.Service\r\n"
        "[DefaultInstall.NTamd64]\r\n"
        "OptionDesc          = %ServiceDescription%\r\n"
        "CopyFiles           = Scanner.DriverFiles, \\\r\n"
        "                      Scanner.UserFiles\r\n"
        "AddReg              = Machine.AddReg\r\n"
        "\r\n"
        "[DefaultInstall.NTamd64.Services]\r\n"
        "AddService          = %ServiceName%,,Scanner.Service\r\n"
        "\r\n"
        "[Scanner.Service]\r\n"
        "DisplayName      = %ServiceName%\r\n"
        "Description      = %ServiceDescription%\r\n"
        "ServiceBinary    = %12%\\%DriverName%.sys    ;%windir%\\system32\\drivers\\\r\n"
        "Dependencies     = \"FltMgr\"\r\n"
        "ServiceType      = 2                            ;SERVICE_FILE_SYSTEM_DRIVER\r\n"
        "StartType        = 0x3                          ;SERVICE_DEMAND_START\r\n"
        "ErrorControl     = 1                            ;SERVICE_ERROR_NORMAL\r\n"
        "LoadOrderGroup   = \"FSFilter Content Screener\"\r\n"
        "AddReg           = Scanner.AddRegistry\r\n"
        "\r\n"
        "[Machine.AddReg]\r\n"
        "HKLM,\"Software\\Maker\",\"Path\",0x00020000,\"%%SystemRoot%%\\x\"\r\n"
        "\r\n"
        "[Scanner.AddRegistry]\r\n"
        "HKR,,\"SupportedFeatures\",0x00010001,0x3\r\n"
        "HKR,\"Parameters\", \"Extensions\", 0x00010000,\"exe\",\"doc\", \"t;t\",\\\r\n"
        "   %Last%\r\n"
        "HKR,\"Parameters\",\"Blob\",0x00000001,de,ad,0xbe,ef\r\n"
        "HKR,\"Parameters\",\"Text\",,\"says \"\"hello\"\", twice\"\r\n"
        "HKR,\"Parameters\",\"Big\",0x000b0001,1,0,0,0,0,0,0,0\r\n"
        "HKR,\"Parameters\",\"Text\",0x2,\"not me\"\r\n"
        "HKR,\"Empty\"\r\n"
        "HKR,\"Instances\",\"DefaultInstance\",0x00000000,%DefaultInstance%\r\n"
        "HKR,\"Instances\\\"%Instance1.Name%,\"Altitude\",0x00000000,%Instance1.Altitude%\r\n"
        "HKR,\"Instances\\\"%Instance1.Name%,\"Flags\",0x00010001,%Instance1.Flags%\r\n"
        "HKR,\"Parameters\\Instances\",\"DefaultInstance\",0x00000000,%DefaultInstance%\r\n"
        "HKR,\"Parameters\\Instances\\\"%Instance1.Name%,\"Altitude\",0x00000000,%Instance1.Altitude%\r\n"
        "HKR,\"Parameters\\Instances\\\"%Instance1.Name%,\"Flags\",0x00010001,%Instance1.Flags%\r\n"
        "\r\n"
        "[Strings]\r\n"
        "ProviderString          = \"TODO-Set-Provider\"\r\n"
        "ServiceDescription      = \"Not this one\"\r\n"
        "ServiceName             = \"Scanner\"\r\n"
        "DriverName              = \"scanner\"\r\n"
        "Last                    = txt\r\n"
        "DefaultInstance         = \"Scanner Instance\"\r\n"
        "Instance1.Name          = \"Scanner Instance\"\r\n"
        "Instance1.Altitude      = \"265000\"\r\n"
        "Instance1.Flags         = 0x0              ; Allow all attachments\r\n"
        "[Strings.0409]\r\n"
        "ServiceDescription      = \"Scanner \xc3\xa9\"\r\n";

static void assert_string(const char *path, const char *name, const char *expected)
{
        char *value = fm_registry_get_string(path, name);

        g_assert_cmpstr(value, ==, expected);
        free(value);
}

static void assert_dword(const char *path, const char *name, ULONG expected)
{
        ULONG value;

        g_assert_true(fm_registry_get_dword(path, name, &value));
        g_assert_cmpuint(value, ==, expected);
}

static void check_sample(const void *data, size_t size)
{
        g_autoptr(GError) error = NULL;
        struct fm_service service;

        fm_registry_delete_tree(SERVICE);
        g_assert_true(fm_inf_load_data("scanner.inf", data, size, &service, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(service.name, ==, "Scanner");
        g_assert_cmpstr(service.image, ==, "scanner.sys");
        fm_service_clear(&service);
        assert_string(SERVICE, "ImagePath", "System32\\DRIVERS\\scanner.sys");
        assert_string(SERVICE, "Group", "FSFilter Content Screener");
        assert_string(SERVICE, "Description", "Scanner \xc3\xa9");
        assert_dword(SERVICE, "Type", 2);
        assert_dword(SERVICE, "Start", 3);
        assert_dword(SERVICE, "SupportedFeatures", 3);
        assert_string(SERVICE "\\Instances", "DefaultInstance", "Scanner Instance");
        assert_string(SERVICE "\\Instances\\Scanner Instance", "Altitude", "265000");
        assert_dword(SERVICE "\\Instances\\Scanner Instance", "Flags", 0);
        assert_string(SERVICE "\\parameters\\INSTANCES\\Scanner Instance", "altitude", "265000");
        assert_string(SERVICE "\\Parameters", "Text", "says \"hello\", twice");
        assert_string("\\Registry\\Machine\\Software\\Maker", "Path", "%SystemRoot%\\x");
        g_assert_true(fm_registry_has_key(SERVICE "\\Empty"));
        g_assert_false(fm_registry_has_key(FM_SERVICES_KEY "\\WrongOne"));
}

static void test_encodings(void)
{
        static const char *const charsets[] = {"UTF-16LE", "UTF-16BE", "UTF-8"};
        static const char *const marks[] = {"\xff\xfe", "\xfe\xff", "\xef\xbb\xbf"};

        check_sample(sample, sizeof(sample) - 1);
        for (size_t i = 0; i < G_N_ELEMENTS(charsets); i++) {
                gsize length;
                g_autofree char *text =
                        g_convert(sample, sizeof(sample) - 1, charsets[i], "UTF-8", NULL, &length, NULL);
                g_autoptr(GByteArray) bytes = g_byte_array_new();

                g_byte_array_append(bytes, (const guint8 *)marks[i], (guint)strlen(marks[i]));
                g_byte_array_append(bytes, (const guint8 *)text, (guint)length);
                check_sample(bytes->data, bytes->len);
        }
}

/* As a filter reads them: raw values, through the system calls' own core. */
/* As sources hold it, before stampinf has seen it. */
static void test_not_stamped(void)
{
        g_auto(GStrv) parts = g_strsplit(sample, "amd64", -1);
        g_autofree char *text = g_strjoinv("$ARCH$", parts);

        g_assert_nonnull(strstr(text, "[DefaultInstall.NT$ARCH$.Services]"));
        check_sample(text, strlen(text));
}

static void test_values(void)
{
        static const WCHAR multi[] = L"exe\0doc\0t;t\0txt\0";
        OBJECT_ATTRIBUTES attributes;
        UNICODE_STRING path, name;
        struct {
                KEY_VALUE_PARTIAL_INFORMATION info;
                UCHAR more[128];
        } value;
        HANDLE key;
        ULONG size;

        check_sample(sample, sizeof(sample) - 1);
        RtlInitUnicodeString(&path,
                             L"\\Registry\\Machine\\System\\ControlSet001\\Services\\scanner\\Parameters");
        InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
        g_assert_cmpint(ZwOpenKey(&key, KEY_READ, &attributes), ==, STATUS_SUCCESS);
        RtlInitUnicodeString(&name, L"Extensions");
        g_assert_cmpint(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &value, sizeof(value), &size),
                        ==, STATUS_SUCCESS);
        g_assert_cmpuint(value.info.Type, ==, REG_MULTI_SZ);
        g_assert_cmpmem(value.info.Data, value.info.DataLength, multi, sizeof(multi));
        RtlInitUnicodeString(&name, L"Blob");
        g_assert_cmpint(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &value, sizeof(value), &size),
                        ==, STATUS_SUCCESS);
        g_assert_cmpuint(value.info.Type, ==, REG_BINARY);
        g_assert_cmpmem(value.info.Data, value.info.DataLength, "\xde\xad\xbe\xef", 4);
        RtlInitUnicodeString(&name, L"Big");
        g_assert_cmpint(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &value, sizeof(value), &size),
                        ==, STATUS_SUCCESS);
        g_assert_cmpuint(value.info.Type, ==, REG_QWORD);
        g_assert_cmpuint(value.info.DataLength, ==, 8);
        g_assert_cmpint(ZwClose(key), ==, STATUS_SUCCESS);
}

#define HEAD     "[Version]\nSignature=\"$Windows NT$\"\n"
#define SERVICES "[DefaultInstall.Services]\nAddService=Broken,,S\n"
#define INSTALL  "[S]\nServiceBinary=%12%\\b.sys\nAddReg=R\n"

static void test_broken(void)
{
        static const struct {
                const char *text;
                enum fm_inf_error code;
                const char *message; /* a part of it, with the line where there is one */
        } table[] = {
                {"", FM_INF_ERROR_MISSING, "Signature"},
                {"[Version]\nSignature=other\n", FM_INF_ERROR_VALUE, "x.inf:2"},
                {"stray\n", FM_INF_ERROR_SYNTAX, "x.inf:1: text before"},
                {HEAD "[Broken\n", FM_INF_ERROR_SYNTAX, "x.inf:3: not a section"},
                {HEAD "a=\"open\n", FM_INF_ERROR_SYNTAX, "x.inf:3: closing quotation"},
                {HEAD, FM_INF_ERROR_MISSING, "DefaultInstall"},
                {HEAD "[DefaultInstall.Services]\n", FM_INF_ERROR_MISSING, "no AddService"},
                {HEAD SERVICES, FM_INF_ERROR_MISSING, "x.inf:4: AddService names"},
                {HEAD SERVICES "[S]\n", FM_INF_ERROR_MISSING, "no ServiceBinary"},
                {HEAD SERVICES "[S]\nServiceBinary=%12%\\..\n", FM_INF_ERROR_VALUE, "x.inf:6"},
                {HEAD SERVICES "[S]\nServiceBinary=%12%\\%Nope%.sys\n", FM_INF_ERROR_VALUE,
                 "%Nope% is not defined"},
                {HEAD SERVICES INSTALL, FM_INF_ERROR_MISSING, "x.inf:7: AddReg names"},
                {HEAD SERVICES INSTALL "[R]\nHKX,a,b,,c\n", FM_INF_ERROR_VALUE,
                 "x.inf:9: unknown registry root: HKX"},
                {HEAD SERVICES INSTALL "[R]\nHKR,a,b,seven,c\n", FM_INF_ERROR_VALUE, "x.inf:9: not a number"},
                {HEAD SERVICES INSTALL "[R]\nHKR,a,b,0x10001,99999999999\n", FM_INF_ERROR_VALUE, "x.inf:9"},
                {HEAD SERVICES INSTALL "[R]\nHKR,a,b,1,100\n", FM_INF_ERROR_VALUE, "x.inf:9: not a byte"},
                {HEAD SERVICES INSTALL "[R]\nHKR,a\\\\b,c,,d\n", FM_INF_ERROR_VALUE, "not a registry path"},
                {HEAD SERVICES INSTALL "[R]\nHKR = a\n", FM_INF_ERROR_SYNTAX, "x.inf:9"},
                {HEAD SERVICES INSTALL "StartType=x\n[R]\n", FM_INF_ERROR_VALUE, "x.inf:8"},
                {HEAD "[DefaultInstall.Services]\nAddService=a\\b,,S\n", FM_INF_ERROR_VALUE,
                 "not a service name"},
                {HEAD SERVICES INSTALL "[R]\n[DefaultInstall]\nAddReg=R2\n[R2]\nHKR,a,b,,c\n",
                 FM_INF_ERROR_VALUE, "x.inf:12: HKR means nothing"},
                {"\xff\xfe\x00\xd8", FM_INF_ERROR_SYNTAX, "UTF-16LE"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
                g_autoptr(GError) error = NULL;
                struct fm_service service;
                size_t size = i + 1 == G_N_ELEMENTS(table) ? 4 : strlen(table[i].text);

                g_test_message("%zu", i);
                g_assert_false(fm_inf_load_data("x.inf", table[i].text, size, &service, &error));
                g_assert_error(error, FM_INF_ERROR, (int)table[i].code);
                g_assert_nonnull(strstr(error->message, table[i].message));
                g_assert_null(service.name);
                g_assert_false(fm_registry_has_key(FM_SERVICES_KEY "\\Broken"));
        }
}

/* Hostile: too large, or small and growing. */
static void test_limits(void)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) text = g_string_new(HEAD SERVICES INSTALL "[Strings]\nx=\"");
        g_autofree char *large = g_strnfill(FM_INF_SIZE_LIMIT + 1, ';');
        struct fm_service service;

        g_assert_false(fm_inf_load_data("x.inf", large, FM_INF_SIZE_LIMIT + 1, &service, &error));
        g_assert_error(error, FM_INF_ERROR, FM_INF_ERROR_READ);
        g_clear_error(&error);

        for (int i = 0; i < 4000; i++)
                g_string_append_c(text, 'x');
        g_string_append(text, "\"\n[R]\n");
        for (int i = 0; i < 10000; i++)
                g_string_append_printf(text, "HKR,,v%d,,%%x%%%%x%%%%x%%%%x%%%%x%%%%x%%\n", i);
        g_assert_false(fm_inf_load_data("x.inf", text->str, text->len, &service, &error));
        g_assert_error(error, FM_INF_ERROR, FM_INF_ERROR_VALUE);
}

/* Any bytes at all: an error or not, but an end. */
static void test_random(void)
{
        for (int i = 0; i < 3000; i++) {
                g_autofree char *data = g_memdup2(sample, sizeof(sample) - 1);
                g_autoptr(GError) error = NULL;
                struct fm_service service;

                for (int j = 0; j < 8; j++)
                        data[g_test_rand_int_range(0, sizeof(sample) - 1)] =
                                (char)g_test_rand_int_range(0, 256);
                if (fm_inf_load_data("random.inf", data, (size_t)g_test_rand_int_range(0, sizeof(sample)),
                                     &service, &error))
                        g_assert_nonnull(service.image);
                else
                        g_assert_nonnull(error);
                fm_service_clear(&service);
        }
}

static char *write_file(const char *text, char **directory)
{
        char *path;

        *directory = g_dir_make_tmp("fltsim-inf-XXXXXX", NULL);
        path = g_build_filename(*directory, "service.conf", NULL);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        return path;
}

static void remove_file(char *path, char *directory)
{
        g_remove(path);
        g_rmdir(directory);
        g_free(path);
        g_free(directory);
}

static void test_keyfile(void)
{
        g_autoptr(GError) error = NULL;
        struct fm_service service;
        char *directory;
        char *path =
                write_file("[Service]\nName=Small\nAltitude=320100.5\nLoadOrderGroup=FSFilter Anti-Virus\n"
                           "[Parameters]\nTimeout=dword:30000\nPlain=0x10\nText=sz:12\nOther=\\X\\Y z\n"
                           "Extensions=multi:exe;doc;txt\n",
                           &directory);

        g_assert_true(fm_keyfile_load(path, &service, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(service.name, ==, "Small");
        g_assert_cmpstr(service.image, ==, "Small.sys");
        fm_service_clear(&service);
        assert_string(FM_SERVICES_KEY "\\Small\\Instances", "DefaultInstance", "Small Instance");
        assert_string(FM_SERVICES_KEY "\\Small\\Instances\\Small Instance", "Altitude", "320100.5");
        assert_string(FM_SERVICES_KEY "\\Small\\Parameters\\Instances\\Small Instance", "Altitude",
                      "320100.5");
        assert_dword(FM_SERVICES_KEY "\\Small\\Parameters", "Timeout", 30000);
        assert_dword(FM_SERVICES_KEY "\\Small\\Parameters", "Plain", 16);
        assert_string(FM_SERVICES_KEY "\\Small\\Parameters", "Text", "12");
        assert_string(FM_SERVICES_KEY "\\Small\\Parameters", "Other", "\\X\\Y z");
        remove_file(path, directory);
}

static void test_keyfile_broken(void)
{
        static const char *const texts[] = {
                "",
                "nonsense",
                "[Service]\n",
                "[Service]\nName=a/b\nAltitude=1\n",
                "[Service]\nName=Bad\n",
                "[Service]\nName=Bad\nAltitude=1\nFlags=x\n",
                "[Service]\nName=Bad\nAltitude=1\nImage=..\n",
                "[Service]\nName=Bad\nAltitude=1\n[Parameters]\nx=dword:y\n",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(GError) error = NULL;
                struct fm_service service;
                char *directory;
                char *path = write_file(texts[i], &directory);

                g_assert_false(fm_keyfile_load(path, &service, &error));
                g_assert_nonnull(error);
                g_assert_null(service.name);
                g_assert_false(fm_registry_has_key(FM_SERVICES_KEY "\\Bad"));
                /* A directory, and nothing at all, are no files either. */
                g_clear_error(&error);
                g_assert_false(fm_inf_load(directory, &service, &error));
                g_assert_error(error, FM_INF_ERROR, FM_INF_ERROR_READ);
                remove_file(path, directory);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/inf/encodings", test_encodings);
        g_test_add_func("/nt/inf/not-stamped", test_not_stamped);
        g_test_add_func("/nt/inf/values", test_values);
        g_test_add_func("/nt/inf/broken", test_broken);
        g_test_add_func("/nt/inf/limits", test_limits);
        g_test_add_func("/nt/inf/random", test_random);
        g_test_add_func("/nt/keyfile/sample", test_keyfile);
        g_test_add_func("/nt/keyfile/broken", test_keyfile_broken);
        return g_test_run();
}
