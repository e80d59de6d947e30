/* fake_libtorch.c: a library that a fake door is linked with and does not find at run time. */
int fake_libtorch(void);

int fake_libtorch(void)
{
    return 0;
}
