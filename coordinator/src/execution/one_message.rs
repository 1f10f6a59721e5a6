//! A codec for methods that take one message: a second one is refused. tonic reads past it, so that what a client
//! believes to have sent, and what runs, would differ.

use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};

use crate::error::undecodable;

/// The codec `C`, for one message from the client.
#[derive(Default)]
pub(super) struct OneMessage<C>(pub(super) C);

/// Its decoder.
pub(super) struct OneDecoder<D> {
    decoder: D,
    taken: bool,
}

// === impl OneMessage ===

impl<C: Codec> Codec for OneMessage<C>
where
    C::Decoder: Decoder<Error = Status>,
{
    type Encode = C::Encode;
    type Decode = C::Decode;
    type Encoder = C::Encoder;
    type Decoder = OneDecoder<C::Decoder>;

    fn encoder(&mut self) -> C::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        OneDecoder {
            decoder: self.0.decoder(),
            taken: false,
        }
    }
}

// === impl OneDecoder ===

impl<D: Decoder<Error = Status>> Decoder for OneDecoder<D> {
    type Item = D::Item;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<D::Item>, Status> {
        if self.taken {
            return Err(undecodable("more than one message, where the method takes one"));
        }
        let message = self
            .decoder
            .decode(buffer)
            .map_err(|error| undecodable(error.message()))?;
        self.taken |= message.is_some();
        Ok(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.decoder.buffer_settings()
    }
}
