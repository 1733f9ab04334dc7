// SPDX-License-Identifier: MIT
// Asio: the port's descriptor is waited for like any other. To think for a while is a timer.
// Its header comes first: behind windows.h it would take this for Windows.
#include <asio.hpp>
#include <chrono>
#include <csignal>
#include <memory>

#include <fltUserExt.h>
#include "agent.h"

namespace {

class Agent {
public:
        Agent(asio::io_context &context, int fd) : io(context), port(context, fd), signals(context, SIGINT, SIGTERM)
        {
                signals.async_wait([this](const asio::error_code &error, int) {
                        if (!error)
                                io.stop();
                });
                wait();
        }

        // The descriptor is not ours to close.
        ~Agent() { port.release(); }

        HRESULT result = S_OK;

private:
        void wait()
        {
                port.async_wait(port.wait_read, [this](const asio::error_code &) { receive(); });
        }

        void receive()
        {
                MESSAGE message;
                HRESULT got;
                DWORD bytes;

                while ((got = FilterTryGetMessage(Port, &message.Header, sizeof(message), &bytes)) == S_OK) {
                        if (DWORD milliseconds = Asked(&message))
                                think(message, std::chrono::milliseconds(milliseconds));
                        else
                                Reply(&message);
                }
                if (got == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS))
                        return wait();
                result = got;
                io.stop();
        }

        void think(const MESSAGE &message, std::chrono::milliseconds time)
        {
                auto timer = std::make_shared<asio::steady_timer>(io, time);

                timer->async_wait([timer, message](const asio::error_code &error) {
                        if (!error)
                                Reply(&message);
                });
        }

        asio::io_context &io;
        asio::posix::stream_descriptor port;
        asio::signal_set signals;
};

}

int main(int argc, char *argv[])
{
        asio::io_context context(1);
        int fd;

        if (!Start(argc, argv) || FAILED(FilterGetPortDescriptor(Port, &fd)))
                return 1;

        HRESULT result;
        {
                Agent agent(context, fd);

                context.run();
                result = agent.result;
        }
        return Finish(result);
}
