// public_headers.cpp -- every public header compiles as C++ by itself: HEADER is each in
// turn.
#include HEADER

int main()
{
    return 0;
}
